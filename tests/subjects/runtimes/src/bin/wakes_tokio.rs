// The tasks of bells.rs on tokio; with an argument on that many worker threads.

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

fn main() {
    let runtime = runtime();
    bells::spawn_all(&mut OnRuntime(runtime.handle().clone()));
    runtime.block_on(bells::all_ended());
    bells::finish("runtimes::bells");
}
