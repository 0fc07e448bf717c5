// Tasks that wake one another on executors of its own: one that makes a waker for each poll
// through std's trait Wake, and with the argument `lend` one that lends its tasks a waker of
// a RawWakerVTable of its own.

#[path = "runtimes/src/bells.rs"]
mod bells;

use bells::Spawn;
use std::collections::VecDeque;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, RawWaker, RawWakerVTable, Wake, Waker};

struct Task {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    queued: Mutex<bool>,
    queue: Arc<Queue>,
}

struct Queue {
    tasks: Mutex<VecDeque<Arc<Task>>>,
    more: Condvar,
}

fn schedule(task: &Arc<Task>) {
    if !std::mem::replace(&mut *task.queued.lock().unwrap(), true) {
        task.queue.tasks.lock().unwrap().push_back(task.clone());
        task.queue.more.notify_one();
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        schedule(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        schedule(self);
    }
}

static LENT: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_task);

fn clone(task: *const ()) -> RawWaker {
    unsafe { Arc::increment_strong_count(task as *const Task) };
    RawWaker::new(task, &LENT)
}

fn wake(task: *const ()) {
    schedule(&unsafe { Arc::from_raw(task as *const Task) });
}

fn wake_by_ref(task: *const ()) {
    schedule(&ManuallyDrop::new(unsafe { Arc::from_raw(task as *const Task) }));
}

fn drop_task(task: *const ()) {
    drop(unsafe { Arc::from_raw(task as *const Task) });
}

struct Executor {
    queue: Arc<Queue>,
    lend: bool,
}

impl Spawn for Executor {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, task: F) {
        schedule(&Arc::new(Task {
            future: Mutex::new(Some(Box::pin(task))),
            queued: Mutex::new(false),
            queue: self.queue.clone(),
        }));
    }
}

fn poll(task: &Arc<Task>, context: &mut Context<'_>) {
    let mut future = task.future.lock().unwrap();
    *task.queued.lock().unwrap() = false;
    let done = match future.as_mut() {
        Some(future) => future.as_mut().poll(context).is_ready(),
        None => false,
    };
    if done {
        *future = None;
    }
}

impl Executor {
    fn run(&mut self) {
        while !*bells::ALL_ENDED.lock().unwrap() {
            let mut tasks = self.queue.tasks.lock().unwrap();
            while tasks.is_empty() {
                tasks = self.queue.more.wait(tasks).unwrap();
            }
            let task = tasks.pop_front().expect("not empty");
            drop(tasks);
            if self.lend {
                let raw = RawWaker::new(Arc::as_ptr(&task) as *const (), &LENT);
                let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
                poll(&task, &mut Context::from_waker(&waker));
            } else {
                let waker = Waker::from(task.clone());
                poll(&task, &mut Context::from_waker(&waker));
            }
        }
    }
}

fn main() {
    let queue = Arc::new(Queue { tasks: Mutex::new(VecDeque::new()), more: Condvar::new() });
    let lend = std::env::args().nth(1).as_deref() == Some("lend");
    let mut executor = Executor { queue, lend };
    bells::spawn_all(&mut executor);
    executor.spawn(bells::all_ended());
    executor.run();
    bells::finish("wakes::bells");
}
