// Tasks of smol that are cancelled, lose a race, are dropped with their executor or before
// their first poll, and panic. The program counts what became of each.

use runtimes::fate::{Fate, Token};
use smol::future::{or, pending, yield_now};
use std::panic::AssertUnwindSafe;

static LEAF: Fate = Fate::new("smol_cancels::leaf");
static CANCELLED: Fate = Fate::new("smol_cancels::cancelled");
static CHOICE: Fate = Fate::new("smol_cancels::choice");
static WINNER: Fate = Fate::new("smol_cancels::winner");
static LOSER: Fate = Fate::new("smol_cancels::loser");
static LEFT: Fate = Fate::new("smol_cancels::left");
static BOMB: Fate = Fate::new("smol_cancels::bomb");
static CATCHER: Fate = Fate::new("smol_cancels::catcher");

async fn leaf(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    pending::<()>().await;
    guard.ready();
}

async fn cancelled(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    leaf(LEAF.token()).await;
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
    guard.at(line!() + 1);
    or(winner(WINNER.token(), yields), loser(LOSER.token())).await;
    guard.at(line!() + 1);
    yield_now().await;
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

async fn catcher(token: Token, polls: usize) -> bool {
    let mut guard = token.begin();
    let caught = AssertUnwindSafe(bomb(BOMB.token(), polls));
    guard.at(line!() + 1);
    let result = smol::future::FutureExt::catch_unwind(caught).await;
    guard.ready();
    result.is_err()
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let executor = smol::LocalExecutor::new();
    let mut caught = 0;
    smol::block_on(executor.run(async {
        for polls in 0..5 {
            let task = executor.spawn(cancelled(CANCELLED.token()));
            for _ in 0..polls {
                yield_now().await;
            }
            task.cancel().await;
        }
        for yields in 0..5 {
            executor.spawn(choice(CHOICE.token(), yields)).await;
        }
        for polls in 1..4 {
            caught += usize::from(executor.spawn(catcher(CATCHER.token(), polls)).await);
            drop(left(LEFT.token()));
        }
        for _ in 0..4 {
            executor.spawn(left(LEFT.token())).detach();
        }
        yield_now().await;
    }));
    drop(executor);
    println!("caught {caught}");
    for fate in [&LEAF, &CANCELLED, &CHOICE, &WINNER, &LOSER, &LEFT, &BOMB, &CATCHER] {
        fate.print();
    }
}
