// Tasks of a tokio LocalSet on a current-thread runtime, with timeouts, an abort, a
// mutex and a channel.

use runtimes::work::truth::{leaf, Count};
use runtimes::work::{self, worker};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, Mutex};
use tokio::task::{spawn_local, yield_now, LocalSet};
use tokio::time::{sleep, timeout};

static LIMITED: Count = Count::new("tokio_local::limited");
static RACE: Count = Count::new("tokio_local::race");
static LOCK: Count = Count::new("tokio_local::lock");
static SEND: Count = Count::new("tokio_local::send");
static RECEIVE: Count = Count::new("tokio_local::receive");
static FOREVER: Count = Count::new("tokio_local::forever");
static LOCAL: Count = Count::new("tokio_local::local");
static MAIN: Count = Count::new("tokio_local::main::{async_block#0}");

static AT_LIMITED: [(&Count, u64); 1] = [(&LIMITED, 1)];
static AT_RACE: [(&Count, u64); 1] = [(&RACE, 1)];
static AT_LOCK: [(&Count, u64); 1] = [(&LOCK, 1)];
static AT_SEND: [(&Count, u64); 1] = [(&SEND, 1)];
static AT_RECEIVE: [(&Count, u64); 1] = [(&RECEIVE, 1)];
static AT_FOREVER: [(&Count, u64); 1] = [(&FOREVER, 1)];
static AT_LOCAL: [(&Count, u64); 1] = [(&LOCAL, 1)];
static AT_MAIN: [(&Count, u64); 1] = [(&MAIN, 1)];

async fn pause() {
    sleep(Duration::from_millis(1)).await;
}

/// A worker that is dropped while it is pending if it takes too long.
async fn limited(steps: usize) -> usize {
    LIMITED.begin();
    let work = timeout(Duration::from_millis(20), worker(steps, pause));
    let sum = leaf(work, &AT_LIMITED).await.unwrap_or(0);
    LIMITED.ready();
    sum
}

/// The later of two workers is dropped, then two run side by side.
async fn race() -> usize {
    RACE.begin();
    let first = async {
        tokio::select! { n = worker(2, pause) => n, n = worker(500, pause) => n }
    };
    let sum = leaf(first, &AT_RACE).await;
    let both = async { tokio::join!(worker(3, pause), worker(4, pause)) };
    let (a, b) = leaf(both, &AT_RACE).await;
    RACE.ready();
    sum + a + b
}

async fn lock(mutex: Rc<Mutex<usize>>) -> usize {
    LOCK.begin();
    for _ in 0..3 {
        let mut guard = leaf(mutex.lock(), &AT_LOCK).await;
        leaf(yield_now(), &AT_LOCK).await;
        *guard += 1;
    }
    LOCK.ready();
    3
}

async fn send(channel: mpsc::Sender<usize>) -> usize {
    SEND.begin();
    for n in 0..10 {
        leaf(channel.send(n), &AT_SEND).await.expect("receiver");
    }
    SEND.ready();
    0
}

async fn receive(mut channel: mpsc::Receiver<usize>) -> usize {
    RECEIVE.begin();
    let mut sum = 0;
    while let Some(n) = leaf(channel.recv(), &AT_RECEIVE).await {
        sum += n;
    }
    RECEIVE.ready();
    sum
}

async fn forever() -> usize {
    let _held = FOREVER.hold();
    loop {
        leaf(pause(), &AT_FOREVER).await;
    }
}

async fn local() -> usize {
    LOCAL.begin();
    let mutex = Rc::new(Mutex::new(0));
    let (sender, receiver) = mpsc::channel(1);
    let aborted = spawn_local(forever());
    let tasks = [
        spawn_local(limited(5)),
        spawn_local(limited(500)),
        spawn_local(race()),
        spawn_local(lock(mutex.clone())),
        spawn_local(lock(mutex.clone())),
        spawn_local(lock(mutex)),
        spawn_local(send(sender)),
        spawn_local(receive(receiver)),
    ];
    let mut sum = 0;
    for task in tasks {
        sum += leaf(task, &AT_LOCAL).await.expect("task");
    }
    aborted.abort();
    assert!(leaf(aborted, &AT_LOCAL).await.is_err());
    LOCAL.ready();
    sum
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
    let set = LocalSet::new();
    let mut sum = set.block_on(&runtime, local());
    sum += runtime.block_on(async {
        MAIN.begin();
        let task = tokio::spawn(worker(5, pause));
        let sum = leaf(task, &AT_MAIN).await.expect("task");
        MAIN.ready();
        sum
    });
    work::print(sum);
    work::WORKER.print_as("runtimes::work::worker<tokio_local::pause, fn() -> tokio_local::pause>");
    for count in [&LIMITED, &RACE, &LOCK, &SEND, &RECEIVE, &FOREVER, &LOCAL, &MAIN] {
        count.print();
    }
}
