// The tasks of bells.rs on smol.

use runtimes::bells::{self, Spawn};
use std::future::Future;

struct Smol;

impl Spawn for Smol {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, task: F) {
        smol::spawn(task).detach();
    }
}

fn main() {
    bells::spawn_all(&mut Smol);
    smol::block_on(bells::all_ended());
    bells::finish("runtimes::bells");
}
