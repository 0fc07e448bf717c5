// A round-robin executor of its own: polls every task in turn until none is left.

#![allow(dead_code)]

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// Pending so many times.
pub struct Pend(pub usize);

impl Future for Pend {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        Poll::Pending
    }
}

pub struct Executor {
    queue: VecDeque<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Executor {
    pub fn new() -> Executor {
        Executor { queue: VecDeque::new() }
    }

    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        self.queue.push_back(Box::pin(task));
    }

    /// Polls each task once. A panic ends all.
    pub fn turn(&mut self) {
        let waker = unsafe { Waker::from_raw(raw_waker()) };
        let mut context = Context::from_waker(&waker);
        self.queue.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
    }

    /// Runs all tasks; gives the number of those that panicked.
    pub fn run(&mut self) -> usize {
        let waker = unsafe { Waker::from_raw(raw_waker()) };
        let mut context = Context::from_waker(&waker);
        let mut panicked = 0;
        while let Some(mut task) = self.queue.pop_front() {
            let poll = std::panic::AssertUnwindSafe(|| task.as_mut().poll(&mut context));
            match std::panic::catch_unwind(poll) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) => self.queue.push_back(task),
                Err(_) => panicked += 1,
            }
        }
        panicked
    }
}

fn raw_waker() -> RawWaker {
    fn clone(_: *const ()) -> RawWaker {
        raw_waker()
    }
    fn nothing(_: *const ()) {}
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    RawWaker::new(std::ptr::null(), &VTABLE)
}
