// Tasks that panic in their first or second poll. Their executor catches the
// panics and the program ends normally, as it must when it is traced.

mod executor;
mod truth;

use executor::Executor;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use truth::{Count, Path};

static FIRST: Count = Count::new("panics::first");
static SECOND: Count = Count::new("panics::second");
static PARENT: Count = Count::new("panics::parent");
static CAUGHT: Count = Count::new("panics::caught");
static CATCHER: Count = Count::new("panics::catcher");
static SURVIVOR: Count = Count::new("panics::survivor");
static CATCH: Count = Count::new("panics::Catch<panics::caught>");
static PEND: Count = Count::new("panics::Pend");
static BOMB: Count = Count::new("panics::Bomb");

static AT_SECOND: [(&Count, u64); 1] = [(&SECOND, 1)];
static AT_PARENT: [(&Count, u64); 1] = [(&PARENT, 1)];
static AT_CAUGHT: [(&Count, u64); 1] = [(&CAUGHT, 1)];
static AT_CATCHER: [(&Count, u64); 1] = [(&CATCHER, 1)];
static AT_SURVIVOR: [(&Count, u64); 1] = [(&SURVIVOR, 1)];

struct Pend {
    left: usize,
    path: &'static Path,
}

impl Future for Pend {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        PEND.begin();
        if self.left == 0 {
            PEND.ready();
            return Poll::Ready(());
        }
        self.left -= 1;
        PEND.pending(self.path);
        Poll::Pending
    }
}

/// A hand-written future that panics once its count has run out.
struct Bomb {
    left: usize,
    path: &'static Path,
}

impl Future for Bomb {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        BOMB.begin();
        if self.left == 0 {
            panic!("bomb");
        }
        self.left -= 1;
        BOMB.pending(self.path);
        Poll::Pending
    }
}

/// Turns a panic of the future inside into an Err.
struct Catch<F>(Pin<Box<F>>);

impl<F: Future<Output = ()>> Future for Catch<F> {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        CATCH.begin();
        let inner = AssertUnwindSafe(|| self.0.as_mut().poll(context));
        match std::panic::catch_unwind(inner) {
            Ok(Poll::Pending) => {
                CATCH.pending(&AT_CATCHER);
                Poll::Pending
            }
            Ok(Poll::Ready(())) => {
                CATCH.ready();
                Poll::Ready(Ok(()))
            }
            Err(_) => {
                CATCH.ready();
                Poll::Ready(Err(()))
            }
        }
    }
}

async fn first(n: usize) {
    FIRST.begin();
    if n < 100 {
        panic!("first poll");
    }
    FIRST.ready();
}

async fn second(n: usize) {
    SECOND.begin();
    Pend { left: 1, path: &AT_SECOND }.await;
    if n < 100 {
        panic!("second poll");
    }
    SECOND.ready();
}

async fn parent(n: usize) {
    PARENT.begin();
    Bomb { left: n, path: &AT_PARENT }.await;
    PARENT.ready();
}

async fn caught(n: usize) {
    CAUGHT.begin();
    Pend { left: n, path: &AT_CAUGHT }.await;
    if n % 2 == 1 {
        panic!("caught");
    }
    CAUGHT.ready();
}

async fn catcher(n: usize) {
    CATCHER.begin();
    let result = Catch(Box::pin(caught(n))).await;
    println!("catcher {} {:?}", n, result);
    CATCHER.ready();
}

async fn survivor() {
    SURVIVOR.begin();
    Pend { left: 6, path: &AT_SURVIVOR }.await;
    SURVIVOR.ready();
}

fn silence_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

fn main() {
    silence_panics();
    let mut executor = Executor::new();
    for n in [1, 2, 100] {
        executor.spawn(first(n));
        executor.spawn(second(n));
    }
    for n in 0..3 {
        executor.spawn(parent(n));
        executor.spawn(catcher(n));
    }
    executor.spawn(survivor());
    println!("panicked tasks {}", executor.run());
    for count in [&FIRST, &SECOND, &PARENT, &CAUGHT, &CATCHER, &SURVIVOR, &CATCH, &PEND, &BOMB] {
        count.print();
    }
}
