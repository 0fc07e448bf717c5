// How the test programs count what became of the futures of their async fns.
//
// A future that is dropped before its first poll drops the Token that it got as its
// argument; one that is dropped later drops the Guard that it made of it. One that is
// done gives that back.

#![allow(dead_code)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub struct Fate {
    name: &'static str,
    unpolled: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
    ready: AtomicU64,
    lines: [(AtomicU64, AtomicU64); 2], // of an `.await`, and how many were dropped there
}

#[allow(clippy::declare_interior_mutable_const)]
const NO_LINE: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

impl Fate {
    pub const fn new(name: &'static str) -> Fate {
        Fate {
            name,
            unpolled: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            ready: AtomicU64::new(0),
            lines: [NO_LINE; 2],
        }
    }

    /// Argument of the async fn.
    pub fn token(&'static self) -> Token {
        Token { fate: self }
    }

    fn cancel(&self, line: u64) {
        self.cancelled.fetch_add(1, Relaxed);
        for (at, count) in &self.lines {
            if at.load(Relaxed) == 0 {
                at.store(line, Relaxed);
            }
            if at.load(Relaxed) == line {
                count.fetch_add(1, Relaxed);
                return;
            }
        }
        panic!("more lines than expected");
    }

    pub fn print(&self) {
        self.print_as(self.name);
    }

    pub fn print_as(&self, name: &str) {
        println!(
            "fate\t{}\t{}\t{}\t{}\t{}",
            name,
            self.unpolled.load(Relaxed),
            self.cancelled.load(Relaxed),
            self.panicked.load(Relaxed),
            self.ready.load(Relaxed)
        );
        for (at, count) in &self.lines {
            if at.load(Relaxed) != 0 {
                println!("dropped\t{}\t{}\t{}", name, at.load(Relaxed), count.load(Relaxed));
            }
        }
    }
}

pub struct Token {
    fate: &'static Fate,
}

impl Token {
    /// First statement of the async fn.
    pub fn begin(self) -> Guard {
        let guard = Guard { fate: self.fate, line: 0, unwinds: false };
        std::mem::forget(self);
        guard
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.fate.unpolled.fetch_add(1, Relaxed);
    }
}

pub struct Guard {
    fate: &'static Fate,
    line: u64,
    unwinds: bool,
}

impl Guard {
    /// Before an `.await`, which is in that line.
    pub fn at(&mut self, line: u32) {
        self.line = line.into();
    }

    /// What it awaits may panic; no other future does while this one is suspended.
    pub fn may_unwind(&mut self) {
        self.unwinds = true;
    }

    /// Last statement of the async fn.
    pub fn ready(self) {
        self.fate.ready.fetch_add(1, Relaxed);
        std::mem::forget(self);
    }

    /// Ends the async fn.
    pub fn panic(self) -> ! {
        self.fate.panicked.fetch_add(1, Relaxed);
        std::mem::forget(self);
        panic!("as planned");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.unwinds && std::thread::panicking() {
            self.fate.panicked.fetch_add(1, Relaxed);
        } else {
            self.fate.cancel(self.line);
        }
    }
}
