// futures_spawns [CHILDREN]: tasks spawned on the executors of the futures crate.

use futures::executor::{block_on, LocalPool, LocalSpawner, ThreadPool};
use futures::task::{LocalSpawnExt, SpawnExt};
use runtimes::spawned;

async fn leaf(_task: usize) {}

async fn parent(task: usize, pool: ThreadPool, children: usize) {
    let mut tasks = Vec::new();
    for _ in 0..children {
        tasks.push(pool.spawn_with_handle(leaf(spawned::task(task, line!()))).expect("spawn"));
    }
    pool.spawn_ok(leaf(spawned::task(task, line!())));
    for task in tasks {
        task.await;
    }
}

async fn local(task: usize, spawner: LocalSpawner) {
    spawner.spawn_local(leaf(spawned::task(task, line!()))).expect("spawn");
}

fn main() {
    let children = std::env::args().nth(1).map_or(5, |n| n.parse().expect("children"));
    let pool = ThreadPool::builder().pool_size(2).create().expect("pool");
    let tasks: Vec<_> = (0..3)
        .map(|n| {
            let parent = parent(spawned::task(0, line!() + 1), pool.clone(), children + n);
            pool.spawn_with_handle(parent).expect("spawn")
        })
        .collect();
    block_on(async {
        for task in tasks {
            task.await;
        }
    });
    let mut locals = LocalPool::new();
    let spawner = locals.spawner();
    spawner.spawn_local(local(spawned::task(0, line!()), locals.spawner())).expect("spawn");
    locals.run();
    spawned::print();
}
