// Async functions that are inlined when optimised, in shapes that leave little of them:
// joined, raced, boxed, panicking, and blocked on by threads that end at once.

mod executor;
mod truth;

use executor::Executor;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use truth::{leaf, Count, Path};

static STEP: Count = Count::new("shapes::step");
static BOXED: Count = Count::new("shapes::boxed");
static NEVER: Count = Count::new("shapes::never");
static PAIR: Count = Count::new("shapes::pair");
static RACE: Count = Count::new("shapes::race");
static RISKY: Count = Count::new("shapes::risky");
static CAREFUL: Count = Count::new("shapes::careful");
static BRANCH: Count = Count::new("shapes::branch");
static SHORT: Count = Count::new("shapes::short");
static OUTER: Count = Count::new("shapes::outer");

static AT_BOXED: [(&Count, u64); 2] = [(&STEP, 1), (&BOXED, 1)];
static AT_STEP: [(&Count, u64); 1] = [(&STEP, 1)];
static AT_NEVER: [(&Count, u64); 1] = [(&NEVER, 1)];
static AT_PAIR: [(&Count, u64); 1] = [(&PAIR, 1)];
static AT_RACE: [(&Count, u64); 1] = [(&RACE, 1)];
static AT_RISKY: [(&Count, u64); 2] = [(&RISKY, 1), (&CAREFUL, 1)];
static AT_BRANCH: [(&Count, u64); 2] = [(&STEP, 1), (&BRANCH, 1)];
static AT_SHORT: [(&Count, u64); 2] = [(&SHORT, 1), (&OUTER, 1)];

/// A leaf that is not ready `left` times.
struct Pend {
    left: usize,
    path: &'static Path,
}

impl Future for Pend {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        if self.left == 0 {
            return Poll::Ready(1);
        }
        self.left -= 1;
        truth::suspend(self.path);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

fn pend(left: usize, path: &'static Path) -> Pend {
    Pend { left, path }
}

/// Both, one after the other in each poll.
struct Join<A, B>(A, B, Option<usize>, Option<usize>);

impl<A, B> Future for Join<A, B>
where
    A: Future<Output = usize>,
    B: Future<Output = usize>,
{
    type Output = usize;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        // Neither future is moved out.
        let this = unsafe { self.get_unchecked_mut() };
        if this.2.is_none() {
            if let Poll::Ready(n) = unsafe { Pin::new_unchecked(&mut this.0) }.poll(context) {
                this.2 = Some(n);
            }
        }
        if this.3.is_none() {
            if let Poll::Ready(n) = unsafe { Pin::new_unchecked(&mut this.1) }.poll(context) {
                this.3 = Some(n);
            }
        }
        match (this.2, this.3) {
            (Some(a), Some(b)) => Poll::Ready(a + b),
            _ => Poll::Pending,
        }
    }
}

/// The one that is ready first; the other is dropped.
struct Select<A, B>(A, B);

impl<A, B> Future for Select<A, B>
where
    A: Future<Output = usize>,
    B: Future<Output = usize>,
{
    type Output = usize;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        // Neither future is moved out.
        let this = unsafe { self.get_unchecked_mut() };
        let first = unsafe { Pin::new_unchecked(&mut this.0) }.poll(context);
        if first.is_ready() {
            return first;
        }
        unsafe { Pin::new_unchecked(&mut this.1) }.poll(context)
    }
}

async fn step(n: usize, path: &'static Path) -> usize {
    STEP.begin();
    let mut sum = 0;
    for i in 0..n {
        sum += pend(i % 3, path).await;
    }
    STEP.ready();
    sum
}

async fn boxed(n: usize) -> usize {
    BOXED.begin();
    let sum = Box::pin(step(n, &AT_BOXED)).await;
    BOXED.ready();
    sum
}

async fn never() -> usize {
    let _held = NEVER.hold();
    loop {
        pend(1, &AT_NEVER).await;
    }
}

async fn pair(n: usize) -> usize {
    PAIR.begin();
    let both = Join(step(n, &AT_STEP), step(2 * n, &AT_STEP), None, None);
    let sum = leaf(both, &AT_PAIR).await;
    PAIR.ready();
    sum
}

async fn race(n: usize) -> usize {
    RACE.begin();
    let sum = leaf(Select(step(n, &AT_STEP), never()), &AT_RACE).await;
    RACE.ready();
    sum
}

async fn risky(n: usize) -> usize {
    RISKY.begin();
    let sum = pend(n, &AT_RISKY).await;
    assert!(n != 2, "risky");
    RISKY.ready();
    sum
}

async fn careful(n: usize) -> usize {
    CAREFUL.begin();
    let sum = risky(n).await + risky(n + 4).await;
    CAREFUL.ready();
    sum
}

async fn branch(n: usize) -> usize {
    BRANCH.begin();
    let sum = match n % 3 {
        0 => step(n, &AT_BRANCH).await,
        1 => step(n + 1, &AT_BRANCH).await + step(n, &AT_BRANCH).await,
        _ => n,
    };
    BRANCH.ready();
    sum
}

async fn short(n: usize) -> usize {
    SHORT.begin();
    let sum = pend(n, &AT_SHORT).await;
    SHORT.ready();
    sum
}

async fn outer(n: usize) -> usize {
    OUTER.begin();
    let sum = short(n).await + short(n + 1).await;
    OUTER.ready();
    sum
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// Takes any future: with the type of one, LLVM keeps no state of it in memory.
fn block_on(mut future: Pin<&mut dyn Future<Output = usize>>) -> usize {
    let waker = Waker::from(Arc::new(Nobody));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
    }
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut executor = Executor::new();
    for n in 0..5 {
        executor.spawn(async move {
            println!("boxed {} pair {}", boxed(n).await, pair(n).await);
        });
        executor.spawn(async move {
            println!("race {} branch {}", race(n).await, branch(n).await);
        });
        executor.spawn(async move {
            println!("careful {}", careful(n).await);
        });
    }
    println!("panicked {}", executor.run());
    let threads: Vec<_> =
        (0..20).map(|n| std::thread::spawn(move || block_on(Box::pin(outer(n % 4)).as_mut()))).collect();
    let sum: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    println!("threads {sum}");
    for count in
        [&STEP, &BOXED, &NEVER, &PAIR, &RACE, &RISKY, &CAREFUL, &BRANCH, &SHORT, &OUTER]
    {
        count.print();
    }
}
