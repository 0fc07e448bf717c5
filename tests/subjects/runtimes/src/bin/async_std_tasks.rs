// Tasks on async-std's threads.

use runtimes::work;
use std::time::Duration;

async fn pause() {
    async_std::task::sleep(Duration::from_millis(1)).await;
}

fn main() {
    let tasks: Vec<_> =
        (0..8).map(|_| async_std::task::spawn(work::worker(20, pause))).collect();
    let sum = async_std::task::block_on(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    work::print(sum);
    work::WORKER.print_as("runtimes::work::worker<async_std_tasks::pause, fn() -> async_std_tasks::pause>");
}
