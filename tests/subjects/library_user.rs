// A program that awaits the futures of a shared library, on the library's executor.

use library::executor::Executor;
use library::truth::Count;

static ORDER: Count = Count::new("library_user::order");

static AT_ORDER: [(&Count, u64); 1] = [(&ORDER, 1)];

async fn order(n: usize) {
    ORDER.begin();
    println!("ordered {}", library::fetch(n, &AT_ORDER).await);
    ORDER.ready();
}

fn main() {
    let mut executor = Executor::new();
    for n in 2..5 {
        executor.spawn(order(n));
    }
    executor.run();
    ORDER.print();
    library::library_run();
}
