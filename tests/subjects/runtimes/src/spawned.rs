//! What a program that spawns tasks knows of them: who spawned each, and in which line.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Of each task, from 1 on, the one that spawned it (0: none) and the line.
static TASKS: Mutex<Vec<(usize, u32)>> = Mutex::new(Vec::new());

/// The number of a task that `by` spawns in that line.
pub fn task(by: usize, line: u32) -> usize {
    let mut tasks = TASKS.lock().expect("tasks");
    tasks.push((by, line));
    tasks.len()
}

/// Of each pair of a line and that in which the spawning task was spawned, how many tasks;
/// and how many each of the tasks spawned.
pub fn print() {
    let tasks = TASKS.lock().expect("tasks");
    let mut pairs = BTreeMap::new();
    let mut spawns = BTreeMap::new();
    for &(by, line) in tasks.iter() {
        let by_line = if by == 0 { 0 } else { tasks[by - 1].1 };
        *pairs.entry((line, by_line)).or_insert(0) += 1;
        if by != 0 {
            *spawns.entry(by).or_insert(0) += 1;
        }
    }
    for ((line, by_line), count) in pairs {
        println!("spawned\t{line}\t{by_line}\t{count}");
    }
    let mut counts: Vec<usize> = spawns.into_values().collect();
    counts.sort();
    for count in counts {
        println!("spawns\t{count}");
    }
}
