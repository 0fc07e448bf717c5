#!/usr/bin/env bats
# Who awaits whom, and in which line.

load helpers

# edge PARENT CHILD MARK: one edge, in the marked line, with all polls of CHILD.
edge() {
    local rows
    rows=$(sql t.db "SELECT line, polls FROM await_edge WHERE parent = '$1' AND child = '$2'
                     AND (file = 'seed.rs' OR file LIKE '%/seed.rs')")
    same "$1 -> $2 (line, polls)" "$(line seed.rs "$3")"$'\t'"$4" "$rows"
}

edges() {
    edge seed::example seed::sy1 "sy1" "$(truth seed::sy1 3)"
    edge seed::example seed::sy2 "sy2" "$(truth seed::sy2 3)"
    edge seed::sy1 seed::Pend "pend of sy1" "$(truth seed::sy1 3)"
    edge seed::sy2 seed::Pend "pend of sy2" "$(truth seed::sy2 3)"
    edge seed::Pool::get seed::Pend "pend of get" "$(truth seed::Pool::get 3)"
    edge 'seed::main::{async_block#0}' seed::Pool::get "get" "$(truth seed::Pool::get 3)"
    edge 'seed::main::{async_block#0}' 'seed::retry<seed::Pend>' "retry" \
        "$(truth 'seed::retry<seed::Pend>' 3)"
}

@test "await edges carry the line of the await, rustc 1.63" {
    record seed-1.63-debug
    edges
}

@test "await edges carry the line of the await, rustc 1.96" {
    record seed-1.96-debug
    edges
}

@test "await points of a coroutine are its .await lines" {
    for subject in seed-1.63-debug seed-1.96-debug seed-1.63-release seed-1.96-release; do
        record $subject
        same "$subject" \
            "3:$(line seed.rs sy1):seed::sy1 4:$(line seed.rs sy2):seed::sy2" \
            "$(sql t.db "SELECT state || ':' || p.line || ':' || awaitee
                FROM await_point p JOIN future_type t ON t.id = p.future_type_id
                WHERE t.name = 'seed::example' AND state < 5 ORDER BY state" | xargs)"
    done
}

@test "chains run from the task to the leaf" {
    for subject in seed-1.63-debug seed-1.96-debug; do
        record $subject
        for chain in 'seed::example > seed::sy1 > seed::Pend' \
            'seed::example > seed::sy2 > seed::Pend' \
            'seed::main::{async_block#0} > seed::retry<seed::Pend> > seed::Pend'; do
            same "$subject: $chain (depth)" 1 "$(sql t.db "
                SELECT count(*) FROM await_chain WHERE chain LIKE '%$chain' AND polls > 0
                AND wait_ns > 0
                AND depth = (length(chain) - length(replace(chain, ' > ', ''))) / 3 + 1")"
        done
    done
}

@test "a chain goes through boxed recursion" {
    record seed-1.96-debug
    same "polls of rec below rec" 18 "$(sql t.db "SELECT sum(polls) FROM (
        SELECT p.id, 1 AS polls FROM poll p
        JOIN future f ON f.id = p.future_id
        JOIN future_type t ON t.id = f.future_type_id
        WHERE t.name = 'seed::rec::{async_block#0}' AND EXISTS (
            WITH RECURSIVE above(id) AS (
                SELECT p.parent_id UNION SELECT q.parent_id FROM above JOIN poll q ON q.id = above.id)
            SELECT 1 FROM above JOIN poll r ON r.id = above.id
            JOIN future g ON g.id = r.future_id
            JOIN future_type u ON u.id = g.future_type_id
            WHERE u.name = 'seed::rec::{async_block#0}'))")"
}

@test "a task is the future that an executor polls" {
    record storm-1.96-debug
    same "tasks" 8 "$(sql t.db "SELECT count(*) FROM task k
        WHERE EXISTS (SELECT 1 FROM future f JOIN future_type t ON t.id = f.future_type_id
            WHERE f.task_id = k.id AND t.name = 'storm::task')")"
    same "futures of storm::Yield without a parent" 0 "$(sql t.db "
        SELECT count(*) FROM future f JOIN future_type t ON t.id = f.future_type_id
        WHERE t.name = 'storm::Yield' AND f.parent_id IS NULL")"
    same "threads that polled" 2 "$(sql t.db "SELECT count(DISTINCT tid) FROM poll")"
}

@test "server: the chain from the handler to its timer" {
    record server-1.63-debug
    same "handle -> lookup" "$(grep -n '// await: lookup$' "$SOURCES/server/src/main.rs" |
        cut -d : -f 1)"$'\t'"$(truth server::lookup 3)" "$(sql t.db "SELECT line, polls
        FROM await_edge WHERE parent = 'server::handle' AND child = 'server::lookup'")"
    same "wait at the timer is at least the 100 ms slept" 1 "$(sql t.db "
        SELECT wait_ns >= 100000000 FROM await_edge
        WHERE parent = 'server::lookup' AND child = 'server::Sleeping'")"
}
