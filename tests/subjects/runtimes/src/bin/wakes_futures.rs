// The tasks of bells.rs on the thread pool of the futures crate, and two that are polled
// with wakers of their own inside the one that is blocked on.

use futures::executor::{block_on, ThreadPool};
use futures::stream::{FuturesUnordered, StreamExt};
use runtimes::bells::{self, Bell, Spawn, OUTSIDE};
use std::future::Future;
use std::sync::Mutex;

struct Pool(ThreadPool);

impl Spawn for Pool {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, task: F) {
        self.0.spawn_ok(task);
    }
}

const ROUNDS: usize = 25;

static BELLS: [Bell; 2] = [Bell::new("wakes_futures::inner"), Bell::new("wakes_futures::inner")];
static HEARD: [Mutex<usize>; 2] = [Mutex::new(0), Mutex::new(0)];

async fn inner(number: usize) {
    for _ in 0..ROUNDS {
        BELLS[number].heard().await;
        *HEARD[number].lock().unwrap() += 1;
    }
}

async fn unordered() {
    let mut inner: FuturesUnordered<_> = (0..2).map(inner).collect();
    while inner.next().await.is_some() {}
}

/// Wakes those two by turns, from outside.
fn ring() {
    for round in 0..2 * ROUNDS {
        BELLS[round % 2].ring(OUTSIDE, round % 4 < 2);
        while *HEARD[round % 2].lock().unwrap() <= round / 2 {
            std::thread::yield_now();
        }
    }
}

fn main() {
    let pool = ThreadPool::builder().pool_size(1).create().expect("threads");
    bells::spawn_all(&mut Pool(pool));
    block_on(bells::all_ended());
    std::thread::spawn(ring);
    block_on(unordered());
    bells::finish("runtimes::bells");
}
