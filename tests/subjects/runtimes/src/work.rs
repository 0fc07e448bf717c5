// The work of each runtime's program: tasks that sleep, yield and wait for one another.

#[path = "../../truth.rs"]
pub mod truth;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use truth::{leaf, Count};

pub static WORKER: Count = Count::new("runtimes::work::worker");
pub static STEP: Count = Count::new("runtimes::work::step");
pub static YIELD: Count = Count::new("runtimes::work::Yield");

static AT_STEP: [(&Count, u64); 2] = [(&STEP, 1), (&WORKER, 1)];
static AT_WORKER: [(&Count, u64); 1] = [(&WORKER, 1)];

struct Yield {
    left: usize,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        YIELD.begin();
        if self.left == 0 {
            YIELD.ready();
            return Poll::Ready(());
        }
        self.left -= 1;
        context.waker().wake_by_ref();
        YIELD.pending(&AT_STEP);
        Poll::Pending
    }
}

async fn step(n: usize) -> usize {
    let held = STEP.hold();
    Yield { left: n % 3 }.await;
    held.ready();
    n
}

/// Takes steps, each after a pause.
pub async fn worker<F: Future, P: Fn() -> F>(steps: usize, pause: P) -> usize {
    let held = WORKER.hold();
    let mut sum = 0;
    for n in 0..steps {
        leaf(pause(), &AT_WORKER).await;
        sum += step(n).await;
    }
    held.ready();
    sum
}

pub fn print(sum: usize) {
    println!("sum {}", sum);
    STEP.print();
    YIELD.print();
}
