// tokio_spawns [CHILDREN]: tasks spawned from everywhere on tokio's runtimes: which line
// did, and which task.

use runtimes::spawned;
use std::future::Future;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{spawn_local, JoinHandle, JoinSet, LocalSet};

async fn leaf(_task: usize) {}

async fn wide(_task: usize, bytes: [u8; 700]) -> u8 {
    tokio::task::yield_now().await;
    bytes[699]
}

#[inline(always)]
fn inlined(by: usize) -> JoinHandle<()> {
    tokio::spawn(leaf(spawned::task(by, line!())))
}

#[inline(never)]
fn called(by: usize) -> JoinHandle<()> {
    tokio::spawn(leaf(spawned::task(by, line!())))
}

fn generic<T: Send + 'static>(make: impl FnOnce(u32) -> T) -> JoinHandle<T::Output>
where
    T: Future,
    T::Output: Send,
{
    tokio::spawn(make(line!()))
}

async fn parent(task: usize, children: usize) {
    let mut handles = Vec::new();
    for _ in 0..children {
        handles.push(tokio::spawn(leaf(spawned::task(task, line!()))));
    }
    handles.push(inlined(task));
    handles.push(called(task));
    handles.push(generic(|line| leaf(spawned::task(task, line))));
    for handle in handles {
        handle.await.expect("leaf");
    }
}

async fn grandparent(task: usize, children: usize) {
    let mut set = JoinSet::new();
    set.spawn(parent(spawned::task(task, line!()), children));
    set.spawn(parent(spawned::task(task, line!()), children + 1));
    while let Some(done) = set.join_next().await {
        done.expect("parent");
    }
    let bytes = [task as u8; 700];
    let wide = tokio::spawn(wide(spawned::task(task, line!()), bytes));
    assert_eq!(wide.await.expect("wide"), task as u8);
}

async fn local(task: usize) {
    let handles: Vec<_> =
        (0..3).map(|_| spawn_local(leaf(spawned::task(task, line!())))).collect();
    for handle in handles {
        handle.await.expect("leaf");
    }
}

fn run(runtime: &Runtime, children: usize) {
    let first = runtime.spawn(grandparent(spawned::task(0, line!()), children));
    runtime.block_on(async {
        let second = tokio::spawn(grandparent(spawned::task(0, line!()), children + 2));
        inlined(0).await.expect("leaf");
        second.await.expect("grandparent");
        first.await.expect("grandparent");
    });
}

fn main() {
    let children = std::env::args().nth(1).map_or(5, |n| n.parse().expect("children"));
    let many = Builder::new_multi_thread().worker_threads(2).build().expect("runtime");
    run(&many, children);
    let single = Builder::new_current_thread().build().expect("runtime");
    run(&single, children);
    let set = LocalSet::new();
    let task = set.spawn_local(local(spawned::task(0, line!())));
    set.block_on(&single, async {
        spawn_local(local(spawned::task(0, line!()))).await.expect("local");
        task.await.expect("local");
    });
    spawned::print();
}
