// Tasks that wake one another, and count who woke whom.
//
// Every wake of these tasks is made here, by a bell that a task waits for or by a leaf
// future, and counted as it is made; the channels and timers of a runtime have no part in it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

struct Wakes {
    by: &'static str,
    woken: &'static str,
    by_value: u64,
    by_ref: u64,
}

static WAKES: Mutex<Vec<Wakes>> = Mutex::new(Vec::new());

/// Made by no task.
pub const OUTSIDE: &str = "outside";

const STORMS: usize = 20;
const ROUNDS: usize = 25;

fn count(by: &'static str, woken: &'static str, by_value: bool) {
    let mut all = WAKES.lock().unwrap();
    let at = all.iter().position(|wakes| wakes.by == by && wakes.woken == woken);
    let at = at.unwrap_or_else(|| {
        all.push(Wakes { by, woken, by_value: 0, by_ref: 0 });
        all.len() - 1
    });
    if by_value {
        all[at].by_value += 1;
    } else {
        all[at].by_ref += 1;
    }
}

fn wake(by: &'static str, woken: &'static str, waker: Waker, by_value: bool) {
    count(by, woken, by_value);
    if by_value {
        waker.wake();
    } else {
        waker.wake_by_ref();
    }
}

/// What one task waits for and others ring. No ring is lost.
pub struct Bell {
    owner: &'static str,
    state: Mutex<(usize, Option<Waker>)>, // rings not heard yet, and who waits
}

impl Bell {
    pub const fn new(owner: &'static str) -> Bell {
        Bell { owner, state: Mutex::new((0, None)) }
    }

    pub fn ring(&self, by: &'static str, by_value: bool) {
        let waker = {
            let mut state = self.state.lock().unwrap();
            state.0 += 1;
            state.1.take()
        };
        if let Some(waker) = waker {
            wake(by, self.owner, waker, by_value);
        }
    }

    pub fn heard(&'static self) -> Heard {
        Heard { bell: self }
    }
}

pub struct Heard {
    bell: &'static Bell,
}

impl Future for Heard {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.bell.state.lock().unwrap();
        if state.0 > 0 {
            state.0 -= 1;
            return Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Wakes its own task several times before it returns Pending once.
struct Storm {
    by: &'static str,
    wakes: usize,
}

impl Future for Storm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.wakes == 0 {
            return Poll::Ready(());
        }
        for i in 0..self.wakes {
            wake(self.by, self.by, context.waker().clone(), i % 2 == 0);
        }
        self.wakes = 0;
        Poll::Pending
    }
}

/// Takes a waker and drops it: nothing will ever wake the task.
struct Forget;

impl Future for Forget {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        drop(context.waker().clone());
        // The runtime is to end after this.
        ENDED.ring("lost", false);
        Poll::Pending
    }
}

/// Leaves a waker of its task with `finish`.
struct Leave;

impl Future for Leave {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        *LATE_WAKER.lock().unwrap() = Some(context.waker().clone());
        Poll::Ready(())
    }
}

static LISTEN: Bell = Bell::new("listener");
static ANSWER: Bell = Bell::new("speaker");
static VISITED: Bell = Bell::new("visited");
static VISITOR: Mutex<usize> = Mutex::new(0); // times that the visited task has heard it
static KEPT: Bell = Bell::new("kept");
static LATE_WAKER: Mutex<Option<Waker>> = Mutex::new(None);
static LOST: Bell = Bell::new("lost");
static ENDED: Bell = Bell::new("all_ended");
static STARTED: Bell = Bell::new("all_ended");

async fn storm() {
    for _ in 0..STORMS {
        Storm { by: "storm", wakes: 3 }.await;
    }
    ENDED.ring("storm", true);
}

async fn listener() {
    for _ in 0..ROUNDS {
        LISTEN.heard().await;
        ANSWER.ring("listener", false);
    }
    ENDED.ring("listener", true);
}

async fn speaker() {
    for _ in 0..ROUNDS {
        LISTEN.ring("speaker", true);
        ANSWER.heard().await;
    }
    ENDED.ring("speaker", true);
}

async fn visited() {
    for _ in 0..ROUNDS {
        VISITED.heard().await;
        *VISITOR.lock().unwrap() += 1;
    }
    ENDED.ring("visited", true);
}

/// Ends at once, but its waker stays.
async fn late() {
    Leave.await;
    ENDED.ring("late", true);
}

/// Waits for ever for what somebody still holds.
async fn kept() {
    STARTED.ring("kept", true);
    KEPT.heard().await;
}

/// Woken twice, then forgotten.
async fn lost() {
    STARTED.ring("lost", true);
    LOST.heard().await;
    LOST.heard().await;
    Forget.await;
}

/// The one that the runtime blocks on.
pub async fn all_ended() {
    STARTED.heard().await;
    STARTED.heard().await;
    LOST.ring("all_ended", false);
    LOST.ring("all_ended", true);
    for _ in 0..6 {
        ENDED.heard().await;
    }
    *ALL_ENDED.lock().unwrap() = true;
}

pub static ALL_ENDED: Mutex<bool> = Mutex::new(false);

pub trait Spawn {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, task: F);
}

/// Spawn the tasks, and start the thread that wakes one of them.
pub fn spawn_all(spawner: &mut impl Spawn) {
    spawner.spawn(storm());
    spawner.spawn(listener());
    spawner.spawn(speaker());
    spawner.spawn(visited());
    spawner.spawn(late());
    spawner.spawn(kept());
    spawner.spawn(lost());
    std::thread::spawn(|| {
        for round in 0..ROUNDS {
            VISITED.ring(OUTSIDE, round % 2 == 0);
            while *VISITOR.lock().unwrap() <= round {
                std::thread::yield_now();
            }
        }
    });
}

/// When all have ended: wake one that has, and print what was counted; path is that of this
/// module.
pub fn finish(path: &str) {
    let waker = LATE_WAKER.lock().unwrap().take().expect("late has run");
    for _ in 0..3 {
        wake(OUTSIDE, "late", waker.clone(), false);
    }
    drop(waker);
    print(path);
}

fn print(path: &str) {
    let name = |task: &str| match task.contains("::") || task == OUTSIDE {
        true => task.to_string(),
        false => format!("{path}::{task}"),
    };
    for Wakes { by, woken, by_value, by_ref } in WAKES.lock().unwrap().iter() {
        // A name with its path is of a future inside a task, with a waker of its own.
        let word = if woken.contains("::") { "nested" } else { "wakes" };
        println!("{word}\t{}\t{}\t{by_value}\t{by_ref}", name(by), name(woken));
    }
    println!("effects\t{}\trunning\t{STORMS}", name("storm"));
    println!("effects\t{}\talready\t{}", name("storm"), 2 * STORMS);
    println!("effects\t{}\tfinished\t3", name("late"));
    println!("lost\t{}", name("lost"));
}
