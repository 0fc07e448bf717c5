#!/usr/bin/env bats
# Which line of the user's code spawned each task, and which task did: what the programs say
# of themselves is what is recorded.

load helpers

# spawned LEVEL SUBJECT [ARG...]: per line and line of the spawning task the number of
# tasks, and how many each task spawned, are the program's own. The worker threads of tokio
# are tasks, too, which the program does not count.
spawned() {
    "$ASYNCREC" -l "$1" -b 64M -o t.db -- "$SUBJECTS/$2" "${@:3}" >out 2>err ||
        fail "$(cat err)"
    nothing_lost
    sqlite3 -separator $'\t' t.db "
        CREATE TEMP VIEW made AS
        SELECT t.id, t.spawn_line, coalesce(b.spawn_line, 0) AS by_line, t.spawned_by_task_id
        FROM task t LEFT JOIN task b ON b.id = t.spawned_by_task_id
        WHERE t.spawned_ns IS NOT NULL AND t.name NOT LIKE '%BlockingTask%';
        SELECT 'spawned', spawn_line, by_line, count(*) FROM made
        GROUP BY spawn_line, by_line ORDER BY spawn_line, by_line;
        SELECT 'spawns', count(*) FROM made WHERE by_line > 0
        GROUP BY spawned_by_task_id ORDER BY count(*)" >recorded
    diff out recorded || fail "$2 at level $1 (< is the program's own)"
    same "other files than the program's" "" "$(sql t.db "SELECT DISTINCT spawn_file FROM task
        WHERE spawned_ns IS NOT NULL AND spawn_file NOT LIKE '%/${2%%-*}.rs'")"
}

# everywhere LEVEL PROGRAM [ARG...]: in the debug and release builds of both compilers.
everywhere() {
    local version profile
    for version in 1.63 1.96; do
        for profile in debug release; do
            spawned "$1" "$2-$version-$profile" "${@:3}"
        done
    done
}

@test "tokio's tasks: who spawned them and where, from tasks and outside, inlined and generic" {
    everywhere tasks tokio_spawns
    everywhere async tokio_spawns
}

@test "smol's tasks: who spawned them and where" {
    everywhere tasks smol_spawns
    everywhere async smol_spawns
}

@test "async-std's tasks: who spawned them and where" {
    everywhere tasks async_std_spawns
    everywhere async async_std_spawns
}

@test "tasks of the futures crate's executors: who spawned them and where" {
    everywhere tasks futures_spawns
    spawned async futures_spawns-1.63-debug
    spawned async futures_spawns-1.96-debug
}

@test "spawns inlined by link time optimisation" {
    spawned tasks tokio_spawns-1.96-lto
    spawned async tokio_spawns-1.96-lto
    spawned tasks smol_spawns-1.96-lto
    spawned async smol_spawns-1.96-lto
}

@test "10,000 short tasks: each has its own spawn" {
    spawned tasks tokio_spawns-1.96-debug 1250
    same "tasks of tokio" 10062 "$(sql t.db "SELECT count(*) FROM spawn s
        JOIN task t ON t.id = s.task_id WHERE t.name NOT LIKE '%BlockingTask%'")"
    same "spawned after their first poll" 0 "$(sql t.db "SELECT count(*) FROM task
        WHERE spawned_ns > first_poll_ns")"
    spawned tasks smol_spawns-1.63-release 2500
    same "tasks of smol" 10016 "$(sql t.db 'SELECT count(task_id) FROM spawn')"
}

@test "spawn places are the same when the sites come from the cache" {
    spawned async tokio_spawns-1.96-release
    spawned async tokio_spawns-1.96-release
}

@test "--life none: no spawns, and tasks without them" {
    "$ASYNCREC" --life none -o t.db -- "$SUBJECTS/tokio_spawns-1.96-debug" >out
    same "spawns" 0 "$(sql t.db 'SELECT count(*) FROM spawn')"
    same "tasks with a spawn" 0 "$(sql t.db 'SELECT count(spawned_ns) FROM task')"
    [ "$(sql t.db 'SELECT count(*) FROM task')" -gt 100 ]
}

@test "the view tasks: what became of each, and its time adds up" {
    spawned async tokio_spawns-1.96-debug
    "$ASYNCREPORT" --format csv --limit 1000 t.db tasks | tr -d '\r' >tasks.csv
    sqlite3 v.db '.import --csv tasks.csv v'
    same "leaves" 84 "$(sql v.db "SELECT count(*) FROM v
        WHERE name LIKE '%tokio_spawns::leaf' AND state = 'ready' AND polls = 1")"
    same "rows that do not add up" 0 "$(sql v.db "SELECT count(*) FROM v
        WHERE total_ns <> busy_ns + scheduled_ns + idle_ns OR scheduled_ns < 0")"
    same "places of leaves" "$(awk '$1 == "spawned" { print $2 }' out | sort -un)" \
        "$(sql v.db "SELECT DISTINCT line FROM v WHERE line <> '' AND name NOT LIKE '%BlockingTask%'
            ORDER BY CAST(line AS INTEGER)")"
    "$ASYNCREPORT" t.db tasks >text
    grep -q 'tokio_spawns.rs:' text
    # Narrowed, a task is spawned where it was.
    "$ASYNCREPORT" --from 0.1ms --format csv t.db tasks >narrow.csv
    grep -q 'tokio_spawns.rs' narrow.csv
}
