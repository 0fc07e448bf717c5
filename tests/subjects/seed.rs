// Async functions in the shapes people write them, on an executor of 20 lines.

mod executor;
mod truth;

use executor::Executor;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use truth::{Count, Path};

static EXAMPLE: Count = Count::new("seed::example");
static SY1: Count = Count::new("seed::sy1");
static SY2: Count = Count::new("seed::sy2");
static REC: Count = Count::new("seed::rec::{async_block#0}");
static RETRY: Count = Count::new("seed::retry<seed::Pend>");
static GET: Count = Count::new("seed::Pool::get");
static FETCH: Count = Count::new("<seed::Pool as seed::Store>::fetch::{async_block#0}");
static BLOCK: Count = Count::new("seed::main::{async_block#0}");
static PEND: Count = Count::new("seed::Pend");

static AT_SY1: [(&Count, u64); 2] = [(&SY1, 1), (&EXAMPLE, 1)];
static AT_SY2: [(&Count, u64); 2] = [(&SY2, 1), (&EXAMPLE, 1)];
static AT_REC: [(&Count, u64); 2] = [(&REC, 4), (&EXAMPLE, 1)];
static AT_RETRY: [(&Count, u64); 2] = [(&RETRY, 1), (&BLOCK, 1)];
static AT_GET: [(&Count, u64); 2] = [(&GET, 1), (&BLOCK, 1)];
static AT_FETCH: [(&Count, u64); 2] = [(&FETCH, 1), (&BLOCK, 1)];

/// A leaf that is not ready `left` times.
pub struct Pend {
    left: usize,
    path: &'static Path,
}

fn pend(left: usize, path: &'static Path) -> Pend {
    Pend { left, path }
}

impl Future for Pend {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        PEND.begin();
        if self.left == 0 {
            PEND.ready();
            return Poll::Ready(7);
        }
        self.left -= 1;
        context.waker().wake_by_ref();
        PEND.pending(self.path);
        Poll::Pending
    }
}

async fn sy1(t: usize) -> usize {
    SY1.begin();
    let mut r = 0;
    for i in 0..t * 4 {
        r += i;
    }
    r += pend(2, &AT_SY1).await; // await: pend of sy1
    SY1.ready();
    r
}

async fn sy2(t: usize) -> usize {
    SY2.begin();
    let r = pend(t, &AT_SY2).await + t; // await: pend of sy2
    SY2.ready();
    r
}

async fn example(t: usize) {
    EXAMPLE.begin();
    let a = sy1(t).await; // await: sy1
    let b = sy2(t).await; // await: sy2
    let c = rec(3).await;
    println!("example {} {}", a + b, c);
    EXAMPLE.ready();
}

/// Recursion needs a box, and a box with `dyn` hides the type.
fn rec(n: usize) -> Pin<Box<dyn Future<Output = usize>>> {
    Box::pin(async move {
        REC.begin();
        let r = if n == 0 {
            pend(1, &AT_REC).await
        } else {
            rec(n - 1).await + n
        };
        REC.ready();
        r
    })
}

async fn retry<F: Future<Output = usize>>(first: F, second: F) -> usize {
    RETRY.begin();
    let r = first.await + second.await;
    RETRY.ready();
    r
}

trait Store {
    fn fetch(&self, n: usize) -> Pin<Box<dyn Future<Output = usize> + '_>>;
}

struct Pool {
    size: usize,
}

impl Pool {
    async fn get(&self, n: usize) -> usize {
        GET.begin();
        let r = pend(n, &AT_GET).await + self.size; // await: pend of get
        GET.ready();
        r
    }
}

impl Store for Pool {
    fn fetch(&self, n: usize) -> Pin<Box<dyn Future<Output = usize> + '_>> {
        Box::pin(async move {
            FETCH.begin();
            let r = pend(n, &AT_FETCH).await + self.size;
            FETCH.ready();
            r
        })
    }
}

fn main() {
    let mut executor = Executor::new();
    for t in 1..4 {
        executor.spawn(example(t));
    }
    executor.spawn(async {
        BLOCK.begin();
        let pool = Pool { size: 5 };
        let a = pool.get(3).await; // await: get
        let b = pool.fetch(2).await;
        let c = retry(pend(1, &AT_RETRY), pend(4, &AT_RETRY)).await; // await: retry
        println!("block {}", a + b + c);
        BLOCK.ready();
    });
    executor.run();
    for count in [&EXAMPLE, &SY1, &SY2, &REC, &RETRY, &GET, &FETCH, &BLOCK, &PEND] {
        count.print();
    }
}
