// storm [YIELDS [TASKS [THREADS]]]: threads, each with an executor whose tasks do
// nothing but yield. With STORM_WAITS set it starts when a line comes on stdin.

mod executor;
mod truth;

use executor::Executor;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use truth::Count;

static TASK: Count = Count::new("storm::task");
static YIELD: Count = Count::new("storm::Yield");

static AT_TASK: [(&Count, u64); 1] = [(&TASK, 1)];

struct Yield {
    done: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        YIELD.begin();
        if self.done {
            YIELD.ready();
            return Poll::Ready(());
        }
        self.done = true;
        YIELD.pending(&AT_TASK);
        Poll::Pending
    }
}

async fn task(yields: usize) {
    TASK.begin();
    for _ in 0..yields {
        Yield { done: false }.await; // await: Yield
    }
    TASK.ready();
}

fn argument(n: usize, default: usize) -> usize {
    match std::env::args().nth(n) {
        Some(text) => text.parse().expect("a number"),
        None => default,
    }
}

fn main() {
    let (yields, tasks, count) = (argument(1, 500), argument(2, 4), argument(3, 2));
    if std::env::var_os("STORM_WAITS").is_some() {
        println!("ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    let mut threads = Vec::new();
    let start = std::time::Instant::now();
    for _ in 0..count {
        threads.push(std::thread::spawn(move || {
            let mut executor = Executor::new();
            for _ in 0..tasks {
                executor.spawn(task(yields));
            }
            executor.run();
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    println!("run {}", start.elapsed().as_secs_f64());
    TASK.print();
    YIELD.print();
}
