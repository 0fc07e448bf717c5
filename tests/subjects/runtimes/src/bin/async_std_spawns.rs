// async_std_spawns [CHILDREN]: tasks spawned on the executor of async-std.

use async_std::task::{self, JoinHandle};
use runtimes::spawned;

async fn leaf(_task: usize) {}

fn named(by: usize) -> JoinHandle<()> {
    let builder = task::Builder::new().name("named".into());
    builder.spawn(leaf(spawned::task(by, line!()))).expect("spawn")
}

async fn parent(task: usize, children: usize) {
    let mut tasks = vec![named(task)];
    for _ in 0..children {
        tasks.push(task::spawn(leaf(spawned::task(task, line!()))));
    }
    for task in tasks {
        task.await;
    }
}

fn main() {
    let children = std::env::args().nth(1).map_or(5, |n| n.parse().expect("children"));
    let tasks: Vec<_> =
        (0..3).map(|n| task::spawn(parent(spawned::task(0, line!()), children + n))).collect();
    task::block_on(async {
        for task in tasks {
            task.await;
        }
        task::spawn(parent(spawned::task(0, line!()), children)).await;
    });
    spawned::print();
}
