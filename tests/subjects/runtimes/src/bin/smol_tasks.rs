// Tasks on smol's own thread and on an executor with two threads of ours.

use runtimes::work;
use std::time::Duration;

async fn pause() {
    smol::Timer::after(Duration::from_millis(1)).await;
}

fn main() {
    let executor = smol::Executor::new();
    let (stop, stopped) = smol::channel::unbounded::<()>();
    let mut sum = 0;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (executor, stopped) = (&executor, stopped.clone());
            scope.spawn(move || {
                let _ = smol::block_on(executor.run(async { stopped.recv().await }));
            });
        }
        let tasks: Vec<_> = (0..8).map(|_| executor.spawn(work::worker(20, pause))).collect();
        let global: Vec<_> = (0..4).map(|_| smol::spawn(work::worker(10, pause))).collect();
        smol::block_on(async {
            for task in tasks.into_iter().chain(global) {
                sum += task.await; // await: joined
            }
        });
        drop(stop);
    });
    work::print(sum);
    work::WORKER.print_as("runtimes::work::worker<smol_tasks::pause, fn() -> smol_tasks::pause>");
}
