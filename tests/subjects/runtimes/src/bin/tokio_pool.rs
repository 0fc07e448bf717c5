// tokio_pool [WORKERS]: tasks of tokio's worker threads, with join!, select!, timeouts
// and panics.

use runtimes::work::truth::{leaf, Count};
use runtimes::work::{self, worker};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

static STEP: Count = Count::new("tokio_pool::step");
static SPIN: Count = Count::new("tokio_pool::spin");
static LIMITED: Count = Count::new("tokio_pool::limited");
static BOTH: Count = Count::new("tokio_pool::both");
static EITHER: Count = Count::new("tokio_pool::either");
static BROKEN: Count = Count::new("tokio_pool::broken");
static PARENT: Count = Count::new("tokio_pool::parent");
static MAIN: Count = Count::new("tokio_pool::main::{async_block#0}");

static AT_STEP: [(&Count, u64); 1] = [(&STEP, 1)];
static AT_SPIN: [(&Count, u64); 2] = [(&SPIN, 1), (&PARENT, 1)];
static AT_LIMITED: [(&Count, u64); 1] = [(&LIMITED, 1)];
static AT_BOTH: [(&Count, u64); 1] = [(&BOTH, 1)];
static AT_EITHER: [(&Count, u64); 1] = [(&EITHER, 1)];
static AT_BROKEN: [(&Count, u64); 2] = [(&BROKEN, 1), (&PARENT, 1)];
static AT_MAIN: [(&Count, u64); 1] = [(&MAIN, 1)];

async fn pause() {
    sleep(Duration::from_millis(1)).await;
}

async fn step(times: usize) -> usize {
    STEP.begin();
    for _ in 0..times {
        leaf(yield_now(), &AT_STEP).await;
    }
    STEP.ready();
    times
}

async fn spin(times: usize) -> usize {
    SPIN.begin();
    for _ in 0..times {
        leaf(yield_now(), &AT_SPIN).await;
    }
    SPIN.ready();
    times
}

async fn limited(times: usize) -> usize {
    LIMITED.begin();
    let work = timeout(Duration::from_millis(20), worker(times, pause));
    let sum = leaf(work, &AT_LIMITED).await.unwrap_or(0);
    LIMITED.ready();
    sum
}

async fn both(n: usize) -> usize {
    BOTH.begin();
    let work = async { tokio::join!(step(n), step(2 * n), worker(3, pause)) };
    let (a, b, c) = leaf(work, &AT_BOTH).await;
    BOTH.ready();
    a + b + c
}

async fn either(n: usize) -> usize {
    EITHER.begin();
    let work = async {
        tokio::select! { sum = worker(n, pause) => sum, sum = worker(500, pause) => sum }
    };
    let sum = leaf(work, &AT_EITHER).await;
    EITHER.ready();
    sum
}

async fn broken(n: usize) -> usize {
    BROKEN.begin();
    leaf(yield_now(), &AT_BROKEN).await;
    assert!(n % 2 == 0, "broken");
    BROKEN.ready();
    n
}

async fn parent(n: usize) -> usize {
    PARENT.begin();
    let sum = spin(n).await + broken(n).await;
    PARENT.ready();
    sum
}

fn main() {
    let workers = std::env::args().nth(1).map_or(1, |n| n.parse().expect("workers"));
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time()
        .build()
        .expect("runtime");
    let (sum, panicked) = runtime.block_on(async {
        MAIN.begin();
        let mut tasks = Vec::new();
        for n in 0..6 {
            tasks.push(tokio::spawn(both(n)));
            tasks.push(tokio::spawn(parent(n)));
        }
        tasks.push(tokio::spawn(either(2)));
        tasks.push(tokio::spawn(limited(5)));
        tasks.push(tokio::spawn(limited(500)));
        let mut sum = 0;
        let mut panicked = 0;
        for task in tasks {
            match leaf(task, &AT_MAIN).await {
                Ok(n) => sum += n,
                Err(_) => panicked += 1,
            }
        }
        MAIN.ready();
        (sum, panicked)
    });
    println!("panicked {panicked}");
    work::print(sum);
    work::WORKER.print_as("runtimes::work::worker<tokio_pool::pause, fn() -> tokio_pool::pause>");
    for count in [&STEP, &SPIN, &LIMITED, &BOTH, &EITHER, &BROKEN, &PARENT, &MAIN] {
        count.print();
    }
}
