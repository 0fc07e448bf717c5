#!/usr/bin/env bats
# Async functions as calls, from their first poll to their end: the view `calls`.

load helpers

# record_at LEVEL SUBJECT: like record.
record_at() {
    local status=0
    "$ASYNCREC" -l "$1" -o t.db -- "$SUBJECTS/$2" >out 2>err || status=$?
    [ $status = 0 ] || fail "asyncrec $2 ended with $status: $(cat err)"
    nothing_lost
}

# calls [OPTION...]: the view as the table `calls` of calls.db, and $busy, the longest time
# that a task was busy: the program may be suspended in a poll.
calls() {
    rm -f calls.db
    "$ASYNCREPORT" --format csv "$@" t.db calls >calls.csv
    sqlite3 calls.db "CREATE TABLE calls (calls INTEGER, ready INTEGER, cancel INTEGER,
            panic INTEGER, live INTEGER, unknown INTEGER, total_ns INTEGER, avg_ns INTEGER,
            max_ns INTEGER, self_ns INTEGER, caller TEXT, file TEXT, line TEXT, callee TEXT)" \
        ".import --csv --skip 1 calls.csv calls"
    busy=$(sql t.db 'SELECT max(busy_ns) FROM task')
}

# waited MARK: nanoseconds, as the program measured them.
waited() {
    awk -F '\t' -v mark="$1" '$1 == "waited" && $2 == mark { print $3 }' out
}

# lasts CALLEE CALLER NS: one call, which waits as long as that within 5 % or 1 ms.
lasts() {
    same "$1 from $2: calls, and as long as $3 ns" 1$'\t'1 "$(sql calls.db "
        SELECT sum(calls), sum(total_ns >= $3
            AND total_ns <= $3 + $busy + max($3 / 20, 1000000)
            AND avg_ns = total_ns AND max_ns = total_ns)
        FROM calls WHERE callee LIKE 'waits::$1' AND caller LIKE '$2'")"
}

# only_awaits CALLEE: next to none of its time is its own.
only_awaits() {
    same "$1: next to no time of its own" 1 "$(sql calls.db "
        SELECT sum(self_ns) BETWEEN 0 AND $busy + max(sum(total_ns) / 20, 1000000)
        FROM calls WHERE callee LIKE 'waits::$1'")"
}

@test "calls last as long as what they await, at every level, inlined or not" {
    for subject in waits-1.63-debug waits-1.96-debug waits-1.63-release waits-1.96-release; do
        for level in tasks all exact; do
            record_at $level $subject
            calls
            echo "$subject, level $level"
            in_turn=$(($(waited 'short nap') + $(waited 'long nap')))
            lasts in_turn '' $in_turn
            lasts short waits::in_turn "$(waited 'short nap')"
            lasts long waits::in_turn "$(waited 'long nap')"
            lasts at_once '' "$(waited 'right nap')"
            lasts behind_dyn '' "$(waited 'hidden nap')"
            lasts hidden % "$(waited 'hidden nap')"
            for name in in_turn at_once behind_dyn; do
                only_awaits $name
            done
            same "where in_turn awaits" "$(line waits.rs short) $(line waits.rs long)" \
                "$(sql calls.db "SELECT line FROM calls WHERE caller = 'waits::in_turn'
                    ORDER BY line" | xargs)"
        done
    done
}

@test "calls that are live at once take off their time once" {
    for subject in waits-1.63-debug waits-1.96-debug waits-1.63-release waits-1.96-release; do
        for level in tasks all; do
            record_at $level $subject
            calls
            echo "$subject, level $level"
            lasts left 'waits::Both%' "$(waited 'left nap')"
            lasts right 'waits::Both%' "$(waited 'right nap')"
            lasts 'Both%' waits::at_once "$(waited 'right nap')"
            for name in 'Both%' left right; do
                only_awaits "$name"
            done
            same "Nap has all its time to itself" 1 "$(sql calls.db "
                SELECT min(self_ns = total_ns) FROM calls WHERE callee = 'waits::Nap'")"
        done
    done
}

@test "calls that returned or panicked are as many as the program made, where that is exact" {
    for subject in seed panics storm smol_tasks; do
        for build in 1.63-debug 1.96-debug 1.63-release 1.96-release; do
            for level in all exact; do
                record_at $level $subject-$build
                calls
                sql t.db 'SELECT name FROM poll_count WHERE exact AND polls > 0' >exact
                compared=0
                while IFS=$'\t' read -r word name _ ready _ panicked; do
                    [ "$word" = truth ] && grep -qxF -- "$name" exact || continue
                    same "$subject-$build, $level, $name: ready, panicked" \
                        "$ready"$'\t'"$panicked" "$(sql calls.db "
                        SELECT sum(ready), sum(panic) FROM calls WHERE callee = '$name'")"
                    compared=$((compared + 1))
                done <out
                [ $compared -gt 0 ] || fail "$subject-$build, $level: nothing was compared"
                same "$subject-$build, $level: calls by outcome" 0 "$(sql calls.db "
                    SELECT count(*) FROM calls
                    WHERE calls <> ready + cancel + panic + live + unknown")"
                same "$subject-$build, $level: impossible times" 0 "$(sql calls.db "
                    SELECT count(*) FROM calls WHERE self_ns < 0 OR self_ns > total_ns
                        OR max_ns > total_ns OR avg_ns > max_ns")"
            done
        done
    done
}

@test "every future is a call of the one that polled it first" {
    record seed-1.96-debug
    calls
    same "calls by caller and callee" "$(sql t.db "
        SELECT up.name, down.name, count(*) FROM future f
        JOIN future_type down ON down.id = f.future_type_id
        LEFT JOIN future p ON p.id = f.parent_id
        LEFT JOIN future_type up ON up.id = p.future_type_id
        GROUP BY 1, 2 ORDER BY 1, 2")" \
        "$(sql calls.db "SELECT caller, callee, sum(calls) FROM calls
            GROUP BY caller, callee ORDER BY caller, callee")"
    same "tasks" "$(sql t.db 'SELECT count(*) FROM task')" \
        "$(sql calls.db "SELECT sum(calls) FROM calls WHERE caller = ''")"
    same "example calls sy1 in line" "3"$'\t'"$(line seed.rs sy1)" "$(sql calls.db "
        SELECT calls, line FROM calls WHERE caller = 'seed::example' AND callee = 'seed::sy1'")"
}

@test "of a call that goes on behind --to, the part before it is shown" {
    record waits-1.96-debug
    # From the third time on that the executor polls it.
    third=$(sql t.db "
        SELECT p.start_ns FROM poll p JOIN task k ON k.root_future_id = p.future_id
        WHERE k.name = 'waits::in_turn' ORDER BY p.start_ns LIMIT 1 OFFSET 2")
    t=$((third - $(sql t.db "SELECT value FROM meta WHERE key = 'start_ns'")))ns
    for part in "--to live <" "--from ready >="; do
        read -r option outcome before <<<"$part"
        calls "$option" "$t"
        same "in_turn $option: calls, $outcome, total_ns" "$(sql t.db "
            SELECT 1, 1, max(p.end_ns) - min(p.start_ns)
            FROM poll p JOIN task k ON k.root_future_id = p.future_id
            WHERE k.name = 'waits::in_turn' AND p.start_ns $before $third")" "$(sql calls.db "
            SELECT calls, $outcome, total_ns FROM calls WHERE callee = 'waits::in_turn'")"
    done
    same "short, which ended before --from" 0 \
        "$(sql calls.db "SELECT count(*) FROM calls WHERE callee = 'waits::short'")"
}

@test "calls: --match, --sort, --limit, and the relation behind it for --sql" {
    record seed-1.96-debug
    calls --match 'seed::sy'
    same "--match" "seed::sy1 seed::sy2" \
        "$(sql calls.db 'SELECT callee FROM calls ORDER BY callee' | xargs)"
    calls --sort calls --limit 2
    sql calls.db 'SELECT calls FROM calls' >actual
    calls
    same "--sort and --limit" "$(sql calls.db 'SELECT calls FROM calls ORDER BY 1 DESC LIMIT 2')" \
        "$(cat actual)"
    same "the longest first" "$(sql calls.db 'SELECT total_ns FROM calls ORDER BY 1 DESC')" \
        "$(sql calls.db 'SELECT total_ns FROM calls')"
    same "--sql" "$(sql calls.db 'SELECT sum(self_ns) FROM calls')" "$("$ASYNCREPORT" \
        --format csv --sql 'SELECT sum(self_ns) FROM async_call' t.db | tr -d '\r' | tail -n 1)"
}
