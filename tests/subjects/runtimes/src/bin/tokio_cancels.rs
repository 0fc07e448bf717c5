// tokio_cancels [WORKERS]: tasks of tokio that are aborted, time out, lose a select!, are
// dropped with their JoinSet, before their first poll and when the runtime ends, and that
// panic. On WORKERS threads, 0: on the main thread. The program counts what became of each.

use runtimes::fate::{Fate, Token};
use std::future::pending;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::{yield_now, JoinSet};
use tokio::time::{sleep, timeout};

static LEAF: Fate = Fate::new("tokio_cancels::leaf");
static ABORTED: Fate = Fate::new("tokio_cancels::aborted");
static LIMITED: Fate = Fate::new("tokio_cancels::limited");
static SLOW: Fate = Fate::new("tokio_cancels::slow");
static CHOICE: Fate = Fate::new("tokio_cancels::choice");
static WINNER: Fate = Fate::new("tokio_cancels::winner");
static LOSER: Fate = Fate::new("tokio_cancels::loser");
static MEMBER: Fate = Fate::new("tokio_cancels::member");
static LEFT: Fate = Fate::new("tokio_cancels::left");
static BOMB: Fate = Fate::new("tokio_cancels::bomb");
static JOINED: Fate = Fate::new("tokio_cancels::joined");
static SIBLING: Fate = Fate::new("tokio_cancels::sibling");

async fn leaf(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    pending::<()>().await;
    guard.ready();
}

async fn aborted(token: Token, yields: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 2);
    for _ in 0..yields {
        yield_now().await;
    }
    guard.at(line!() + 1);
    leaf(LEAF.token()).await;
    guard.ready();
}

async fn slow(token: Token, millis: u64) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    sleep(Duration::from_millis(millis)).await;
    guard.ready();
}

async fn limited(token: Token, millis: u64) -> bool {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    let result = timeout(Duration::from_millis(20), slow(SLOW.token(), millis)).await;
    guard.at(line!() + 1);
    yield_now().await;
    guard.ready();
    result.is_ok()
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
    guard.at(line!() + 1);
    tokio::select! {
        () = winner(WINNER.token(), yields) => {}
        () = loser(LOSER.token()) => {}
    }
    guard.at(line!() + 1);
    yield_now().await;
    guard.ready();
}

async fn member(token: Token, millis: u64) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    sleep(Duration::from_millis(millis)).await;
    guard.ready();
}

async fn left(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    leaf(LEAF.token()).await;
    guard.ready();
}

/// Panics in its poll number `polls`.
async fn bomb(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 2);
    for _ in 1..polls {
        yield_now().await;
    }
    guard.panic();
}

async fn sibling(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    leaf(LEAF.token()).await;
    guard.ready();
}

async fn joined(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.may_unwind();
    guard.at(line!() + 1);
    tokio::join!(sibling(SIBLING.token()), bomb(BOMB.token(), polls));
    guard.ready();
}

async fn run() -> usize {
    let mut ended = 0;
    for yields in 0..5 {
        let task = tokio::spawn(aborted(ABORTED.token(), yields));
        for _ in 0..3 {
            yield_now().await;
        }
        task.abort();
        ended += usize::from(task.await.is_err());
    }
    for millis in [1, 1, 60000, 60000, 60000] {
        ended += usize::from(tokio::spawn(limited(LIMITED.token(), millis)).await.unwrap());
    }
    for yields in 0..5 {
        tokio::spawn(choice(CHOICE.token(), yields)).await.unwrap();
    }
    let mut set = JoinSet::new();
    for n in 0..6 {
        set.spawn(member(MEMBER.token(), if n < 2 { 1 } else { 60000 }));
    }
    set.join_next().await.unwrap().unwrap();
    set.join_next().await.unwrap().unwrap();
    drop(set);
    for polls in 1..4 {
        ended += usize::from(tokio::spawn(bomb(BOMB.token(), polls)).await.is_err());
        ended += usize::from(tokio::spawn(joined(JOINED.token(), polls)).await.is_err());
        drop(left(LEFT.token()));
    }
    for _ in 0..4 {
        tokio::spawn(left(LEFT.token()));
    }
    // All have begun before the runtime ends, but on one thread those spawned last.
    sleep(Duration::from_millis(20)).await;
    ended
}

fn main() {
    let workers = std::env::args().nth(1).map_or(1, |n| n.parse().expect("workers"));
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = match workers {
        0 => Builder::new_current_thread().enable_time().build(),
        _ => Builder::new_multi_thread().worker_threads(workers).enable_time().build(),
    }
    .expect("runtime");
    println!("ended {}", runtime.block_on(run()));
    drop(runtime);
    for fate in [
        &LEAF, &ABORTED, &LIMITED, &SLOW, &CHOICE, &WINNER, &LOSER, &MEMBER, &LEFT, &BOMB, &JOINED,
        &SIBLING,
    ] {
        fate.print();
    }
}
