// Futures that are dropped before they are done: by an executor of the program's own, by a
// timeout, by a select, with what holds them, before their first poll, while a panic
// unwinds. The program counts what became of each.

mod executor;
mod fate;

use executor::{Executor, Pend};
use fate::{Fate, Token};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

static INNER: Fate = Fate::new("cancels::inner");
static MIDDLE: Fate = Fate::new("cancels::middle");
static LIMITED: Fate = Fate::new("cancels::limited");
static CHOICE: Fate = Fate::new("cancels::choice");
static WINNER: Fate = Fate::new("cancels::winner");
static LOSER: Fate = Fate::new("cancels::loser");
static UNUSED: Fate = Fate::new("cancels::unused");
static HOLDER: Fate = Fate::new("cancels::holder");
static BOXED: Fate = Fate::new("cancels::boxed");
static BOMB: Fate = Fate::new("cancels::bomb");
static SIBLING: Fate = Fate::new("cancels::sibling");
static JOINED: Fate = Fate::new("cancels::joined");
static CATCHER: Fate = Fate::new("cancels::catcher");

/// Gives up after so many polls.
struct Limit<F> {
    polls: usize,
    inner: F,
}

impl<F: Future<Output = ()>> Future for Limit<F> {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let this = unsafe { self.get_unchecked_mut() };
        if this.polls == 0 {
            return Poll::Ready(false);
        }
        this.polls -= 1;
        unsafe { Pin::new_unchecked(&mut this.inner) }.poll(context).map(|()| true)
    }
}

/// Ready with the first of two.
struct Either<A, B>(A, B);

impl<A: Future<Output = ()>, B: Future<Output = ()>> Future for Either<A, B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = unsafe { self.get_unchecked_mut() };
        if unsafe { Pin::new_unchecked(&mut this.0) }.poll(context).is_ready() {
            return Poll::Ready(());
        }
        unsafe { Pin::new_unchecked(&mut this.1) }.poll(context)
    }
}

/// Ready with both; polls what is ready no more.
struct Both<A, B>(Option<A>, Option<B>);

impl<A: Future<Output = ()>, B: Future<Output = ()>> Future for Both<A, B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = unsafe { self.get_unchecked_mut() };
        if let Some(first) = &mut this.0 {
            if unsafe { Pin::new_unchecked(first) }.poll(context).is_ready() {
                this.0 = None;
            }
        }
        if let Some(second) = &mut this.1 {
            if unsafe { Pin::new_unchecked(second) }.poll(context).is_ready() {
                this.1 = None;
            }
        }
        if this.0.is_none() && this.1.is_none() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Turns a panic into a result.
struct Catch<F>(Pin<Box<F>>);

impl<F: Future<Output = ()>> Future for Catch<F> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let inner = AssertUnwindSafe(|| self.0.as_mut().poll(context));
        match std::panic::catch_unwind(inner) {
            Ok(result) => result.map(|()| false),
            Err(_) => Poll::Ready(true),
        }
    }
}

async fn inner(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(polls).await;
    guard.ready();
}

async fn middle(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(1).await;
    guard.at(line!() + 1);
    inner(INNER.token(), polls).await;
    guard.ready();
}

async fn limited(token: Token, limit: usize, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    let done = Limit { polls: limit, inner: middle(MIDDLE.token(), polls) }.await;
    guard.at(line!() + 1);
    Pend(usize::from(done) + 1).await;
    guard.ready();
}

async fn winner(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(polls).await;
    guard.ready();
}

async fn loser(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(polls).await;
    guard.ready();
}

async fn choice(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Either(winner(WINNER.token(), polls), loser(LOSER.token(), polls + 1)).await;
    guard.at(line!() + 1);
    Pend(1).await;
    guard.ready();
}

async fn unused(token: Token) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(1).await;
    guard.ready();
}

async fn boxed(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(polls).await;
    guard.ready();
}

/// Holds a future behind a pointer, and one that it does not poll.
async fn holder(token: Token, polls: usize) {
    let mut guard = token.begin();
    let first: Pin<Box<dyn Future<Output = ()>>> = Box::pin(boxed(BOXED.token(), polls));
    let second = unused(UNUSED.token());
    guard.at(line!() + 1);
    first.await;
    drop(second);
    guard.ready();
}

/// Panics in its poll number `polls`.
async fn bomb(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(polls - 1).await;
    guard.panic();
}

async fn sibling(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    Pend(polls).await;
    guard.ready();
}

async fn joined(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.may_unwind();
    guard.at(line!() + 2);
    let first = Some(sibling(SIBLING.token(), 9));
    Both(first, Some(bomb(BOMB.token(), polls))).await;
    guard.ready();
}

async fn catcher(token: Token, polls: usize) {
    let mut guard = token.begin();
    guard.at(line!() + 1);
    let caught = Catch(Box::pin(joined(JOINED.token(), polls))).await;
    assert!(caught);
    guard.at(line!() + 1);
    Pend(1).await;
    guard.ready();
}

/// Polls a task a few times and drops it.
fn abort(task: impl Future<Output = ()> + 'static, polls: usize) {
    let mut executor = Executor::new();
    executor.spawn(task);
    for _ in 0..polls {
        executor.turn();
    }
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    for polls in 0..5 {
        abort(middle(MIDDLE.token(), 9), polls);
        abort(holder(HOLDER.token(), 9), polls);
        abort(limited(LIMITED.token(), 3, 9), polls);
        abort(choice(CHOICE.token(), 2), polls);
    }
    let mut executor = Executor::new();
    for n in 0..10 {
        executor.spawn(limited(LIMITED.token(), 3, n));
        executor.spawn(choice(CHOICE.token(), n));
        executor.spawn(holder(HOLDER.token(), n));
        drop(unused(UNUSED.token()));
    }
    for polls in 1..4 {
        executor.spawn(bomb(BOMB.token(), polls));
        executor.spawn(joined(JOINED.token(), polls));
        executor.spawn(catcher(CATCHER.token(), polls));
    }
    println!("panicked tasks {}", executor.run());
    for fate in [
        &INNER, &MIDDLE, &LIMITED, &CHOICE, &WINNER, &LOSER, &UNUSED, &HOLDER, &BOXED, &BOMB,
        &SIBLING, &JOINED, &CATCHER,
    ] {
        fate.print();
    }
}
