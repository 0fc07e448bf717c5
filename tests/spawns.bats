#!/usr/bin/env bats
# Which line of the user's code spawned each task, and which task: what the programs say of
# themselves is what is recorded.

load helpers

# spawned SUBJECT [ARG...]: at the levels `tasks` and `async`, per line and line of the
# spawning task the number of tasks, and how many each task spawned, are the program's own.
spawned() {
    local level
    for level in tasks async; do
        "$ASYNCREC" -l $level -o t.db -- "$SUBJECTS/$1" "${@:2}" >out 2>err || fail "$(cat err)"
        nothing_lost
        # The worker threads of tokio are tasks of its own.
        sqlite3 t.db "CREATE TEMP VIEW made AS SELECT t.*, coalesce(b.spawn_line, 0) AS by_line
                FROM task t LEFT JOIN task b ON b.id = t.spawned_by_task_id
                WHERE t.spawned_ns IS NOT NULL AND t.name NOT LIKE '%BlockingTask%';
            SELECT 'spawned' || char(9) || spawn_line || char(9) || by_line || char(9) || count(*)
            FROM made GROUP BY spawn_line, by_line ORDER BY spawn_line, by_line;
            SELECT 'spawns' || char(9) || count(*) FROM made
            WHERE by_line > 0 GROUP BY spawned_by_task_id ORDER BY count(*)" >recorded
        diff out recorded || fail "$1 at level $level"
    done
}

# builds COMMAND...: with the builds of both compilers, debug, release and, if they are
# made, link time optimised.
for_builds() {
    local version profile name=$1
    for version in 1.63 1.96; do
        for profile in debug release lto; do
            [ ! -e "$SUBJECTS/$name-$version-$profile" ] ||
                spawned "$name-$version-$profile" "${@:2}" || return 1
        done
    done
}

@test "tasks of tokio: the line and the task that spawned each, all builds" {
    for_builds tokio_spawns
}
