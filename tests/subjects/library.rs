// Asynchronous code in a shared library: compiled both as a Rust library, for a program
// that is linked with it, and as a C library, for one that opens it while it runs.

pub mod executor;
pub mod truth;

use executor::Executor;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use truth::{Count, Path};

static RUN: Count = Count::new("library::library_run::{async_block#0}");
static FETCH: Count = Count::new("library::fetch");
static TURN: Count = Count::new("library::Turn");

static AT_FETCH: [(&Count, u64); 1] = [(&FETCH, 1)];
static AT_RUN: [(&Count, u64); 1] = [(&RUN, 1)];

/// A leaf that is not ready `left` times.
struct Turn {
    left: usize,
    above: &'static Path,
}

impl Future for Turn {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        TURN.begin();
        if self.left == 0 {
            TURN.ready();
            return Poll::Ready(1);
        }
        self.left -= 1;
        context.waker().wake_by_ref();
        TURN.pending(&AT_FETCH);
        truth::suspend(self.above);
        Poll::Pending
    }
}

/// `above`: the coroutines that await this.
pub async fn fetch(n: usize, above: &'static Path) -> usize {
    FETCH.begin();
    let mut sum = 0;
    for left in 0..n {
        sum += Turn { left, above }.await;
    }
    FETCH.ready();
    sum
}

#[no_mangle]
pub extern "C" fn library_run() {
    let mut executor = Executor::new();
    for n in 1..6 {
        executor.spawn(async move {
            RUN.begin();
            let sum = fetch(n, &AT_RUN).await + fetch(2, &AT_RUN).await;
            println!("fetched {}", sum);
            RUN.ready();
        });
    }
    executor.run();
    for count in [&RUN, &FETCH, &TURN] {
        count.print();
    }
}
