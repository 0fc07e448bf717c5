// 10,000 short tasks, and 200 threads that each block on a future of their own and end:
// memory is used again and again, for tasks that end, are dropped halfway, or before they
// begin. The program counts what became of each.

mod executor;
mod fate;

use executor::{Executor, Pend};
use fate::{Fate, Token};
use std::future::Future;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

static TASK: Fate = Fate::new("reuse::task");
static STEP: Fate = Fate::new("reuse::step");
static MAIN: Fate = Fate::new("reuse::thread_main");

async fn step(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(polls).await;
    guard.ready();
}

async fn task(token: Token, n: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    step(STEP.token(), n % 3).await;
    guard.ready();
}

async fn thread_main(token: Token, n: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    step(STEP.token(), n % 4).await;
    guard.ready();
}

fn waker() -> Waker {
    fn clone(_: *const ()) -> RawWaker {
        RawWaker::new(std::ptr::null(), &VTABLE)
    }
    fn nothing(_: *const ()) {}
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    unsafe { Waker::from_raw(clone(std::ptr::null())) }
}

/// Polls the future, at most so many times.
fn block_on(future: impl Future<Output = ()>, most: usize) {
    let mut future = Box::pin(future);
    let waker = waker();
    for _ in 0..most {
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return;
        }
    }
}

fn main() {
    for n in 0..10_000 {
        let mut executor = Executor::new();
        executor.spawn(task(TASK.token(), n));
        // Some are done by then; others are dropped, every tenth before it begins.
        for _ in 0..n % 10 {
            executor.turn();
        }
    }
    for n in 0..200 {
        std::thread::spawn(move || block_on(thread_main(MAIN.token(), n), n % 5 + 1))
            .join()
            .unwrap();
    }
    for fate in [&TASK, &STEP, &MAIN] {
        fate.print();
    }
}
