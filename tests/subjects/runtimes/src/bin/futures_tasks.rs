// Tasks on the executors of the futures crate, made with its combinators.

use futures::channel::oneshot;
use futures::executor::{block_on, LocalPool, ThreadPool};
use futures::future::{join_all, select, Either, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use futures::task::{LocalSpawnExt, SpawnExt};
use futures::{join, pin_mut};
use runtimes::work::truth::{leaf, Count};
use runtimes::work::{self, worker};
use std::time::Duration;

static JOINED: Count = Count::new("futures_tasks::joined");
static INNER: Count = Count::new("futures_tasks::joined::{async_block#0}");
static EACH: Count = Count::new("futures_tasks::each");
static FIRST: Count = Count::new("futures_tasks::first");
static UNORDERED: Count = Count::new("futures_tasks::unordered");
static ALL: Count = Count::new("futures_tasks::all");
static MAIN: Count = Count::new("futures_tasks::main::{async_block#0}");

static AT_JOINED: [(&Count, u64); 2] = [(&INNER, 1), (&JOINED, 1)];
static AT_EACH: [(&Count, u64); 1] = [(&EACH, 1)];
static AT_FIRST: [(&Count, u64); 1] = [(&FIRST, 1)];
static AT_UNORDERED: [(&Count, u64); 1] = [(&UNORDERED, 1)];
static AT_ALL: [(&Count, u64); 1] = [(&ALL, 1)];
static AT_MAIN: [(&Count, u64); 1] = [(&MAIN, 1)];

/// The crate has no timer: another thread wakes the task.
async fn pause() {
    let (wake, woken) = oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1));
        let _ = wake.send(());
    });
    let _ = woken.await;
}

async fn joined() -> usize {
    JOINED.begin();
    let inner = async {
        INNER.begin();
        let (a, b, c) = join!(worker(3, pause), worker(5, pause), worker(1, pause));
        INNER.ready();
        a + b + c
    };
    let sum = leaf(inner, &AT_JOINED).await;
    JOINED.ready();
    sum
}

/// Two futures, whichever is ready, until both are.
async fn each() -> usize {
    EACH.begin();
    let (a, b) = (worker(4, pause).fuse(), worker(6, pause).fuse());
    pin_mut!(a, b);
    let mut sum = 0;
    for _ in 0..2 {
        let next = async { futures::select! { n = a => n, n = b => n } };
        sum += leaf(next, &AT_EACH).await;
    }
    EACH.ready();
    sum
}

/// Of two futures the later one is dropped while it is pending.
async fn first() -> usize {
    FIRST.begin();
    let race = select(Box::pin(worker(2, pause)), Box::pin(worker(50, pause)));
    let (Either::Left((sum, _)) | Either::Right((sum, _))) = leaf(race, &AT_FIRST).await;
    FIRST.ready();
    sum
}

async fn unordered() -> usize {
    UNORDERED.begin();
    let mut workers: FuturesUnordered<_> = (1..6).map(|n| worker(n, pause)).collect();
    let mut sum = 0;
    while let Some(n) = leaf(workers.next(), &AT_UNORDERED).await {
        sum += n;
    }
    UNORDERED.ready();
    sum
}

async fn all() -> usize {
    ALL.begin();
    let sums = leaf(join_all((1..6).map(|n| worker(n, pause))), &AT_ALL).await;
    ALL.ready();
    sums.iter().sum()
}

fn main() {
    let mut sum = block_on(joined()) + block_on(all());

    let mut local = LocalPool::new();
    let spawner = local.spawner();
    let local_tasks = [
        spawner.spawn_local_with_handle(each()).expect("spawn"),
        spawner.spawn_local_with_handle(unordered()).expect("spawn"),
        spawner.spawn_local_with_handle(joined()).expect("spawn"),
        spawner.spawn_local_with_handle(first()).expect("spawn"),
    ];
    sum += local.run_until(join_all(local_tasks)).iter().sum::<usize>();

    let threads = ThreadPool::builder().pool_size(2).create().expect("threads");
    let tasks = [
        threads.spawn_with_handle(each()).expect("spawn"),
        threads.spawn_with_handle(unordered()).expect("spawn"),
        threads.spawn_with_handle(all()).expect("spawn"),
        threads.spawn_with_handle(first()).expect("spawn"),
    ];
    sum += block_on(async {
        MAIN.begin();
        let mut sum = 0;
        for task in tasks {
            sum += leaf(task, &AT_MAIN).await;
        }
        MAIN.ready();
        sum
    });

    work::print(sum);
    work::WORKER
        .print_as("runtimes::work::worker<futures_tasks::pause, fn() -> futures_tasks::pause>");
    for count in [&JOINED, &INNER, &EACH, &FIRST, &UNORDERED, &ALL, &MAIN] {
        count.print();
    }
}
