// How the test programs count their own polls.
//
// An async fn is polled once to start and once more after every Pending. It
// counts its start and its end itself; a Pending it cannot see, so the leaf
// future that is not ready counts it for every async fn above it (its path).
// A hand-written future counts its own polls.
//
// All this holds for futures that run to completion or panic. One that may be
// dropped while it is still pending holds its count instead (see `hold`).

#![allow(dead_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

pub struct Count {
    name: &'static str,
    polls: AtomicU64,
    ready: AtomicU64,
    pending: AtomicU64,
    unfinished: AtomicU64, // started and neither ready nor pending: panicked
}

/// The coroutines that an await chain goes through, and how often each.
pub type Path = [(&'static Count, u64)];

impl Count {
    pub const fn new(name: &'static str) -> Count {
        Count {
            name,
            polls: AtomicU64::new(0),
            ready: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            unfinished: AtomicU64::new(0),
        }
    }

    /// First statement of an async fn, or of a hand-written poll.
    pub fn begin(&self) {
        self.polls.fetch_add(1, Relaxed);
        self.unfinished.fetch_add(1, Relaxed);
    }

    /// First statement of an async fn that may be dropped while it is pending.
    /// Its last statement is then `Held::ready`.
    pub fn hold(&'static self) -> Held {
        self.begin();
        Held { count: self }
    }

    /// Last statement of an async fn, or of a hand-written poll that is ready.
    pub fn ready(&self) {
        self.ready.fetch_add(1, Relaxed);
        self.unfinished.fetch_sub(1, Relaxed);
    }

    /// Last statement of a hand-written poll that is not ready.
    pub fn pending(&self, path: &Path) {
        self.pending.fetch_add(1, Relaxed);
        self.unfinished.fetch_sub(1, Relaxed);
        suspend(path);
    }

    pub fn print(&self) {
        self.print_as(self.name);
    }

    pub fn print_as(&self, name: &str) {
        println!(
            "truth\t{}\t{}\t{}\t{}\t{}",
            name,
            self.polls.load(Relaxed),
            self.ready.load(Relaxed),
            self.pending.load(Relaxed),
            self.unfinished.load(Relaxed)
        );
    }
}

/// Dropped before it is ready, takes back the poll that its future waited for.
pub struct Held {
    count: &'static Count,
}

impl Held {
    pub fn ready(self) {
        self.count.ready();
        std::mem::forget(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.polls.fetch_sub(1, Relaxed);
        self.count.unfinished.fetch_sub(1, Relaxed);
    }
}

/// A leaf returns Pending: so does every coroutine above it, to be polled again.
pub fn suspend(path: &Path) {
    for (count, times) in path {
        count.polls.fetch_add(*times, Relaxed);
        count.pending.fetch_add(*times, Relaxed);
    }
}

/// Any future as a leaf: what it awaits inside is not ours to count.
pub struct Leaf<F> {
    inner: Pin<Box<F>>,
    path: &'static Path,
}

pub fn leaf<F: Future>(inner: F, path: &'static Path) -> Leaf<F> {
    Leaf { inner: Box::pin(inner), path }
}

impl<F: Future> Future for Leaf<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let result = self.inner.as_mut().poll(context);
        if result.is_pending() {
            suspend(self.path);
        }
        result
    }
}
