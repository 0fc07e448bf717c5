// Futures whose names are hard to get right. What follows `name:` in a comment is
// what the one declared in the next line is called by its author.

#![allow(dead_code)]

mod executor;

use executor::Executor;
use std::future::{ready, Future};
use std::pin::Pin;
use std::task::{Context, Poll};

type Boxed<'a> = Pin<Box<dyn Future<Output = u8> + 'a>>;

mod deep {
    pub mod deeper {
        // name: names::deep::deeper::plain
        pub async fn plain() -> u8 {
            super::super::ready(1).await
        }
    }
}

struct Pool<T> {
    item: T,
}

impl<T: Copy> Pool<T> {
    // name: names::Pool::get<u8>
    async fn get(&self) -> T {
        ready(self.item).await
    }
}

// name: names::Pool::special
impl Pool<u16> {
    async fn special(&self) -> u8 {
        ready(self.item as u8).await
    }
}

trait Store {
    fn load(&self) -> Boxed<'_>;
    fn twice(&self) -> Boxed<'_>
    where
        Self: Sync,
    {
        // name: names::Store::twice::{async_block#0}<names::Pool<u8>>
        Box::pin(async move { self.load().await + self.load().await })
    }
}

impl Store for Pool<u8> {
    fn load(&self) -> Boxed<'_> {
        // name: <names::Pool<u8> as names::Store>::load::{async_block#0}
        Box::pin(async move { ready(self.item).await })
    }
}

// name: names::generic<names::Hand, &str>
async fn generic<F: Future<Output = u8>, L: std::fmt::Debug>(future: F, _label: L) -> u8 {
    future.await
}

struct Hand;

// name: names::Hand
impl Future for Hand {
    type Output = u8;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u8> {
        Poll::Ready(3)
    }
}

struct Wrapper<F>(F);

// name: names::Wrapper<names::Hand>
impl<F: Future + Unpin> Future for Wrapper<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

fn make(n: u8) -> impl Future<Output = u8> {
    // name: names::make::{async_block#0}
    async move {
        let inner = |m: u8| async move { ready(m + n).await };
        inner(1).await
    }
}

fn main() {
    let mut executor = Executor::new();
    executor.spawn(async {
        let pool = Pool { item: 1u8 };
        let mut sum = deep::deeper::plain().await;
        sum += pool.get().await;
        sum += Pool { item: 2u16 }.special().await;
        sum += pool.twice().await;
        sum += generic(Hand, "label").await;
        sum += Wrapper(Hand).await;
        sum += make(2).await;
        println!("sum {}", sum);
    });
    executor.run();
}
