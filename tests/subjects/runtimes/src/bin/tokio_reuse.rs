// tokio_reuse [WORKERS]: 10,000 short tasks, of which every fifth is aborted, on WORKERS
// threads, 0: on the main thread; and 200 threads with a runtime of their own each. The
// program counts what became of each.

use runtimes::fate::{Fate, Token};
use std::future::pending;
use tokio::runtime::Builder;
use tokio::task::yield_now;

static TASK: Fate = Fate::new("tokio_reuse::task");
static STEP: Fate = Fate::new("tokio_reuse::step");
static MAIN: Fate = Fate::new("tokio_reuse::thread_main");

async fn step(token: Token, yields: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 2);
    for _ in 0..yields {
        yield_now().await;
    }
    guard.ready();
}

async fn task(token: Token, n: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    step(STEP.token(), n % 3).await;
    if n % 5 == 0 {
        guard.at(line!() + 1);
        pending::<()>().await;
    }
    guard.ready();
}

async fn thread_main(token: Token, n: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    step(STEP.token(), n % 4).await;
    guard.ready();
}

fn main() {
    let workers = std::env::args().nth(1).map_or(1, |n| n.parse().expect("workers"));
    let runtime = match workers {
        0 => Builder::new_current_thread().build(),
        _ => Builder::new_multi_thread().worker_threads(workers).build(),
    }
    .expect("runtime");
    runtime.block_on(async {
        for first in (0..10_000).step_by(10) {
            let tasks: Vec<_> =
                (first..first + 10).map(|n| tokio::spawn(task(TASK.token(), n))).collect();
            for _ in 0..5 {
                yield_now().await;
            }
            for (n, task) in tasks.into_iter().enumerate() {
                if n % 5 == 0 {
                    task.abort();
                }
                assert_eq!(task.await.is_err(), n % 5 == 0);
            }
        }
    });
    drop(runtime);
    for n in 0..200 {
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().build().expect("runtime");
            runtime.block_on(thread_main(MAIN.token(), n));
        })
        .join()
        .unwrap();
    }
    for fate in [&TASK, &STEP, &MAIN] {
        fate.print();
    }
}
