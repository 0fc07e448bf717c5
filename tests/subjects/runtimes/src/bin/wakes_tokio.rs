// The tasks of bells.rs on tokio; with an argument on that many worker threads. Built with
// `--cfg tokio_unstable` it prints what tokio counted itself, too.

use runtimes::bells::{self, Spawn};
use std::future::Future;
use tokio::runtime::{Builder, Handle, Runtime};

struct OnRuntime(Handle);

impl Spawn for OnRuntime {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, task: F) {
        self.0.spawn(task);
    }
}

fn runtime() -> Runtime {
    match std::env::args().nth(1) {
        None => Builder::new_current_thread().build(),
        Some(n) => Builder::new_multi_thread().worker_threads(n.parse().expect("threads")).build(),
    }
    .expect("runtime")
}

/// How often tasks were put into a queue, and polled.
#[cfg(tokio_unstable)]
fn print_metrics(handle: &Handle) {
    let metrics = handle.metrics();
    let workers = 0..metrics.num_workers();
    let local: u64 = workers.clone().map(|n| metrics.worker_local_schedule_count(n)).sum();
    let polls: u64 = workers.map(|n| metrics.worker_poll_count(n)).sum();
    println!("metrics\t{}\t{polls}", metrics.remote_schedule_count() + local);
}

#[cfg(not(tokio_unstable))]
fn print_metrics(_: &Handle) {}

fn main() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    bells::spawn_all(&mut OnRuntime(handle.clone()));
    runtime.block_on(bells::all_ended());
    bells::finish("runtimes::bells");
    drop(runtime); // then the counts are complete
    print_metrics(&handle);
}
