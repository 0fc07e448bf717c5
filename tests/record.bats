#!/usr/bin/env bats
# A recording agrees with what the program counted itself.

load helpers

@test "seed, rustc 1.63, debug: counts are the program's own" {
    record seed-1.63-debug
    compare debug
}

@test "seed, rustc 1.63, release: counts are the program's own" {
    record seed-1.63-release
    compare release
}

@test "seed, rustc 1.96, debug: counts are the program's own" {
    record seed-1.96-debug
    compare debug
}

@test "seed, rustc 1.96, release: counts are the program's own" {
    record seed-1.96-release
    compare release
}

@test "panics, rustc 1.63, debug: counts are the program's own" {
    record panics-1.63-debug
    compare debug
}

@test "panics, rustc 1.63, release: counts are the program's own" {
    record panics-1.63-release
    compare release
}

@test "panics, rustc 1.96, debug: counts are the program's own" {
    record panics-1.96-debug
    compare debug
}

@test "panics, rustc 1.96, release: counts are the program's own" {
    record panics-1.96-release
    compare release
}

@test "storm, rustc 1.63, debug: counts are the program's own" {
    record storm-1.63-debug
    compare debug
}

@test "storm, rustc 1.63, release: counts are the program's own" {
    record storm-1.63-release
    compare release
}

@test "storm, rustc 1.96, debug: counts are the program's own" {
    record storm-1.96-debug
    compare debug
}

@test "storm, rustc 1.96, release: counts are the program's own" {
    record storm-1.96-release
    compare release
}

@test "server (tokio, hyper), rustc 1.63, debug: counts are the program's own" {
    record server-1.63-debug
    compare debug
}

@test "server (tokio, hyper), rustc 1.63, release: counts are the program's own" {
    record server-1.63-release
    compare release
}

@test "server (tokio, hyper), rustc 1.96, debug: counts are the program's own" {
    record server-1.96-debug
    compare debug
}

@test "server (tokio, hyper), rustc 1.96, release: counts are the program's own" {
    record server-1.96-release
    compare release
}

# tasks NAME COUNT POLLS: so many tasks whose name contains NAME, with so many polls.
tasks() {
    same "tasks of $1 and their polls" "$2"$'\t'"$3" "$(sql t.db "
        SELECT count(*), sum(polls) FROM task WHERE name LIKE '%$1%'")"
}

@test "smol and async-std, debug: counts are the program's own, each task is one" {
    for version in 1.63 1.96; do
        record smol_tasks-$version-debug
        compare debug
        worker='runtimes::work::worker<smol_tasks::pause, fn() -> smol_tasks::pause>'
        tasks "spawn::{async_block#0}%$worker" 12 "$(truth "$worker" 3)"
        record async_std_tasks-$version-debug
        compare debug
        worker='runtimes::work::worker<async_std_tasks::pause, fn() -> async_std_tasks::pause>'
        tasks "spawn::{async_block#0}%$worker" 8 "$(truth "$worker" 3)"
    done
}

@test "smol and async-std, release: counts are the program's own" {
    for version in 1.63 1.96; do
        record smol_tasks-$version-release
        compare release
        record async_std_tasks-$version-release
        compare release
    done
}

# alone NAME COUNT: so many futures of the type NAME, each in a task of its own.
alone() {
    same "futures of $1 and their tasks" "$2"$'\t'"$2" "$(sql t.db "
        SELECT count(*), count(DISTINCT f.task_id) FROM future f
        JOIN future_type t ON t.id = f.future_type_id WHERE t.name = '$1'")"
}

@test "futures executors and combinators, debug: counts are the program's own" {
    for version in 1.63 1.96; do
        record futures_tasks-$version-debug
        compare debug
        # On block_on, a LocalPool and a ThreadPool.
        for name in all each first joined unordered; do
            alone "futures_tasks::$name" 2
        done
        same "tasks in which workers run" 10 "$(sql t.db "
            SELECT count(DISTINCT f.task_id) FROM future f
            JOIN future_type t ON t.id = f.future_type_id WHERE t.name LIKE '%::worker<%'")"
    done
}

@test "tokio LocalSet, timeout, abort, channel, mutex, debug: counts are the program's own" {
    for version in 1.63 1.96; do
        record tokio_local-$version-debug
        compare debug
        tasks tokio_local::limited 2 "$(truth tokio_local::limited 3)"
        tasks tokio_local::race 1 "$(truth tokio_local::race 3)"
        tasks tokio_local::lock 3 "$(truth tokio_local::lock 3)"
        tasks tokio_local::send 1 "$(truth tokio_local::send 3)"
        tasks tokio_local::receive 1 "$(truth tokio_local::receive 3)"
        tasks tokio_local::forever 1 "$(truth tokio_local::forever 3)"
        alone tokio_local::local 1
        alone 'tokio_local::main::{async_block#0}' 1
    done
}

@test "futures executors and tokio LocalSet, release: counts are the program's own" {
    for version in 1.63 1.96; do
        record futures_tasks-$version-release
        compare release
        record tokio_local-$version-release
        compare release
    done
}

@test "tokio: each spawned future is a task, though workers run inside a future" {
    for subject in server-1.63-debug server-1.96-release; do
        record $subject
        tasks server::connection 4 "$(truth server::connection 3)"
        tasks server::client 4 "$(truth server::client 3)"
        tasks server::accept 1 "$(truth server::accept 3)"
    done
}

@test "the program's output is unchanged and the summary is one line" {
    "$SUBJECTS/seed-1.96-debug" >untraced
    record seed-1.96-debug
    cmp untraced out
    same "lines on stderr" 1 "$(wc -l <err)"
    grep -Eq 'polls' err
    grep -Eq 't\.db' err
}

@test "rows of poll_count agree with rows of poll and future" {
    record seed-1.96-debug
    same "polls per type" "" "$(sql t.db "
        SELECT c.name, c.polls, count(p.id) FROM poll_count c
        LEFT JOIN future_type t ON t.name = c.name
        LEFT JOIN future f ON f.future_type_id = t.id
        LEFT JOIN poll p ON p.future_id = f.id
        GROUP BY c.name HAVING c.polls <> count(p.id)")"
    same "kinds" "async_block async_fn future" "$(sql t.db "
        SELECT DISTINCT kind FROM poll_count WHERE name LIKE '%seed::%' ORDER BY kind" | xargs)"
    same "futures of seed::example" 3 \
        "$(sql t.db "SELECT futures FROM poll_count WHERE name = 'seed::example'")"
    same "finished futures of seed::example" 3 "$(sql t.db "
        SELECT count(*) FROM future f JOIN future_type t ON t.id = f.future_type_id
        WHERE t.name = 'seed::example' AND f.outcome = 'ready'")"
}

@test "no compiler wrapper shows in a name" {
    for subject in seed-1.63-debug seed-1.96-debug; do
        record $subject
        [ "$(sql t.db 'SELECT count(*) FROM poll_count')" -gt 0 ]
        same "$subject" "" "$(sql t.db "SELECT name FROM poll_count WHERE name LIKE '%GenFuture%'
            OR name LIKE '%{{closure}}%' OR name LIKE '%\_env#%' ESCAPE '\\'
            OR name LIKE '%{impl#%'")"
    done
}
