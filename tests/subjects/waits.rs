// waits [hang]: tasks that wait for known times in known lines, by one after the other,
// two at once, and behind `dyn`; and one that nobody ever wakes. Each leaf measures how
// long it waited; the program prints that for each line. With `hang` it then waits for
// the lost wake, as a program would, until it is killed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

struct Place {
    mark: &'static str,
    waited: AtomicU64, // ns
}

impl Place {
    const fn new(mark: &'static str) -> Place {
        Place { mark, waited: AtomicU64::new(0) }
    }
}

static SHORT: Place = Place::new("short nap");
static LONG: Place = Place::new("long nap");
static LEFT: Place = Place::new("left nap");
static RIGHT: Place = Place::new("right nap");
static HIDDEN: Place = Place::new("hidden nap");
static LAST: Place = Place::new("last nap");
static NEVER: AtomicU64 = AtomicU64::new(0); // polls of Never

thread_local! {
    static TIMERS: RefCell<Vec<(Instant, Waker)>> = RefCell::new(Vec::new());
}

struct Nap {
    until: Instant,
    pending_since: Option<Instant>,
    place: &'static Place,
}

fn nap(ms: u64, place: &'static Place) -> Nap {
    let until = Instant::now() + Duration::from_millis(ms);
    Nap { until, pending_since: None, place }
}

impl Future for Nap {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let now = Instant::now();
        if let Some(since) = self.pending_since {
            self.place.waited.fetch_add((now - since).as_nanos() as u64, Relaxed);
        }
        if now >= self.until {
            return Poll::Ready(1);
        }
        TIMERS.with(|timers| timers.borrow_mut().push((self.until, context.waker().clone())));
        self.pending_since = Some(Instant::now());
        Poll::Pending
    }
}

/// Polls both until both are ready.
struct Both<A: Future, B: Future> {
    left: Pin<Box<A>>,
    right: Pin<Box<B>>,
    left_done: bool,
    right_done: bool,
}

impl<A: Future, B: Future> Future for Both<A, B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.left_done {
            self.left_done = self.left.as_mut().poll(context).is_ready();
        }
        if !self.right_done {
            self.right_done = self.right.as_mut().poll(context).is_ready();
        }
        if self.left_done && self.right_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

fn both<A: Future, B: Future>(left: A, right: B) -> Both<A, B> {
    Both {
        left: Box::pin(left),
        right: Box::pin(right),
        left_done: false,
        right_done: false,
    }
}

struct Never;

impl Future for Never {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<usize> {
        NEVER.fetch_add(1, Relaxed);
        Poll::Pending
    }
}

async fn short() -> usize {
    nap(40, &SHORT).await // await: short nap
}

async fn long() -> usize {
    let mut sum = 0;
    for _ in 0..2 {
        sum += nap(100, &LONG).await; // await: long nap
    }
    sum
}

async fn in_turn() {
    let a = short().await; // await: short
    let b = long().await; // await: long
    println!("in_turn {}", a + b);
}

async fn left() -> usize {
    nap(60, &LEFT).await // await: left nap
}

async fn right() -> usize {
    nap(160, &RIGHT).await // await: right nap
}

async fn at_once() {
    both(left(), right()).await; // await: both
    println!("at_once");
}

async fn hidden() -> usize {
    nap(80, &HIDDEN).await // await: hidden nap
}

async fn behind_dyn() {
    let inner: Pin<Box<dyn Future<Output = usize>>> = Box::pin(hidden());
    println!("behind_dyn {}", inner.await); // await: dyn
}

async fn stuck() -> usize {
    let a = nap(20, &LAST).await; // await: last nap
    a + Never.await // await: never
}

async fn forgotten() {
    println!("never printed {}", stuck().await); // await: stuck
}

struct Task {
    number: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().push_back(self.number);
    }
}

fn main() {
    let ready = Arc::new(Mutex::new(VecDeque::new()));
    let mut tasks: Vec<Option<Pin<Box<dyn Future<Output = ()>>>>> = vec![
        Some(Box::pin(in_turn())),
        Some(Box::pin(at_once())),
        Some(Box::pin(behind_dyn())),
        Some(Box::pin(forgotten())),
    ];
    ready.lock().unwrap().extend(0..tasks.len());
    loop {
        let next = ready.lock().unwrap().pop_front();
        if let Some(number) = next {
            let waker = Waker::from(Arc::new(Task { number, ready: ready.clone() }));
            if let Some(task) = &mut tasks[number] {
                if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    tasks[number] = None;
                }
            }
            continue;
        }
        let timer = TIMERS.with(|timers| {
            let mut timers = timers.borrow_mut();
            timers.sort_by(|a, b| b.0.cmp(&a.0));
            timers.pop()
        });
        let (until, waker) = match timer {
            Some(timer) => timer,
            None => break,
        };
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        waker.wake();
    }
    for place in [&SHORT, &LONG, &LEFT, &RIGHT, &HIDDEN, &LAST] {
        println!("waited\t{}\t{}", place.mark, place.waited.load(Relaxed));
    }
    println!("polls of Never {}", NEVER.load(Relaxed));
    if std::env::args().nth(1).as_deref() == Some("hang") {
        println!("hanging");
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}
