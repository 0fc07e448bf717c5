// Futures of the futures crate that lose a select, are aborted, and are dropped with their
// FuturesUnordered, their join or their executor. The program counts what became of each.

use futures::executor::{block_on, LocalPool};
use futures::future::{abortable, join_all, pending, poll_fn, select, Either};
use futures::stream::{FuturesUnordered, StreamExt};
use futures::task::LocalSpawnExt;
use runtimes::fate::{Fate, Token};
use std::task::Poll;

static LEAF: Fate = Fate::new("futures_cancels::leaf");
static CHOICE: Fate = Fate::new("futures_cancels::choice");
static WINNER: Fate = Fate::new("futures_cancels::winner");
static LOSER: Fate = Fate::new("futures_cancels::loser");
static ABORTED: Fate = Fate::new("futures_cancels::aborted");
static MEMBER: Fate = Fate::new("futures_cancels::member");
static JOINED: Fate = Fate::new("futures_cancels::joined");
static LEFT: Fate = Fate::new("futures_cancels::left");

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn leaf(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    pending::<()>().await;
    guard.ready();
}

async fn winner(token: Token, yields: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 2);
    for _ in 0..yields {
        yield_now().await;
    }
    guard.ready();
}

async fn loser(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    leaf(LEAF.token()).await;
    guard.ready();
}

async fn choice(token: Token, yields: usize) {
    let mut guard = token.begin();
    let first = Box::pin(winner(WINNER.token(), yields));
    guard.at(line!() + 1);
    let result = select(first, Box::pin(loser(LOSER.token()))).await;
    guard.at(line!() + 1);
    yield_now().await;
    assert!(matches!(result, Either::Left(_)));
    guard.ready();
}

async fn aborted(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    leaf(LEAF.token()).await;
    guard.ready();
}

async fn member(token: Token, yields: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 2);
    for _ in 0..yields {
        yield_now().await;
    }
    guard.at(line!() + 1);
    leaf(LEAF.token()).await;
    guard.ready();
}

async fn joined(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    join_all((0..3).map(|n| member(MEMBER.token(), n))).await;
    guard.ready();
}

async fn left(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    leaf(LEAF.token()).await;
    guard.ready();
}

async fn unordered() {
    let mut members: FuturesUnordered<_> = (0..5).map(|n| member(MEMBER.token(), n)).collect();
    for _ in 0..3 {
        let none = poll_fn(|context| Poll::Ready(members.poll_next_unpin(context).is_pending()));
        assert!(none.await);
        yield_now().await;
    }
}

fn main() {
    for yields in 0..5 {
        block_on(choice(CHOICE.token(), yields));
    }
    block_on(unordered());
    let mut pool = LocalPool::new();
    for _ in 0..3 {
        let (task, handle) = abortable(aborted(ABORTED.token()));
        pool.spawner()
            .spawn_local(async { assert!(task.await.is_err()) })
            .expect("spawn");
        pool.run_until_stalled();
        handle.abort();
        pool.run_until_stalled();
        pool.spawner().spawn_local(joined(JOINED.token())).expect("spawn");
        pool.spawner().spawn_local(left(LEFT.token())).expect("spawn");
    }
    pool.run_until_stalled();
    pool.spawner().spawn_local(left(LEFT.token())).expect("spawn");
    drop(pool);
    for fate in [&LEAF, &CHOICE, &WINNER, &LOSER, &ABORTED, &MEMBER, &JOINED, &LEFT] {
        fate.print();
    }
}
