// smol_spawns [CHILDREN]: tasks spawned on smol's own executor and on one of ours.

use runtimes::spawned;
use smol::{Executor, LocalExecutor};
use std::sync::Arc;

async fn leaf(_task: usize) {}

#[inline(always)]
fn inlined(executor: &Executor<'static>, by: usize) -> smol::Task<()> {
    executor.spawn(leaf(spawned::task(by, line!())))
}

async fn parent(task: usize, executor: Arc<Executor<'static>>, children: usize) {
    let mut tasks = Vec::new();
    for _ in 0..children {
        tasks.push(executor.spawn(leaf(spawned::task(task, line!()))));
    }
    tasks.push(inlined(&executor, task));
    tasks.push(smol::spawn(leaf(spawned::task(task, line!()))));
    for task in tasks {
        task.await;
    }
}

fn main() {
    let children = std::env::args().nth(1).map_or(5, |n| n.parse().expect("children"));
    let executor = Arc::new(Executor::new());
    let tasks: Vec<_> = (0..3)
        .map(|n| {
            let executor2 = executor.clone();
            executor.spawn(parent(spawned::task(0, line!()), executor2, children + n))
        })
        .collect();
    smol::block_on(executor.run(async {
        for task in tasks {
            task.await;
        }
        smol::spawn(parent(spawned::task(0, line!()), executor.clone(), children)).await;
    }));
    let local = LocalExecutor::new();
    smol::block_on(local.run(async {
        local.spawn(leaf(spawned::task(0, line!()))).await;
    }));
    spawned::print();
}
