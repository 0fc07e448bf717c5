#!/usr/bin/env bats
# Optimised programs, in which most coroutines have no code of their own left: the
# memory that the traps read shows them. `tasks` probes what executors poll, no more.

load helpers

# record_tasks SUBJECT [ARG...]: like record, at the level of tasks.
record_tasks() {
    local subject=$1 status=0
    shift
    "$ASYNCREC" -l tasks -o t.db -- "$SUBJECTS/$subject" "$@" >out 2>err || status=$?
    [ $status = 0 ] || fail "asyncrec $subject ended with $status: $(cat err)"
    nothing_lost
}

# chains DB: await chains with their wait time, without the pointers between futures.
chains() {
    sql "$1" "
        WITH RECURSIVE named(id, name) AS (
            SELECT c.id, iif(t.name GLOB 'core::pin::Pin<*' OR t.name GLOB '&mut *'
                OR t.name GLOB 'alloc::boxed::Box<*', '', t.name)
            FROM chain c JOIN future_type t ON t.id = c.future_type_id WHERE c.parent_id IS NULL
            UNION ALL
            SELECT c.id, iif(t.name GLOB 'core::pin::Pin<*' OR t.name GLOB '&mut *'
                OR t.name GLOB 'alloc::boxed::Box<*', n.name, n.name || ' > ' || t.name)
            FROM named n JOIN chain c ON c.parent_id = n.id
            JOIN future_type t ON t.id = c.future_type_id
        )
        SELECT n.name, sum(a.wait_ns) FROM named n JOIN await_chain a ON a.id = n.id
        WHERE a.wait_ns > 0 GROUP BY n.name"
}

@test "waits of known length are charged to their line" {
    for version in 1.63 1.96; do
        for profile in debug release; do
            record_tasks waits-$version-$profile
            grep -c '^waited' out | grep -qx 6
            while IFS=$'\t' read -r _ mark ns; do
                number=$(line waits.rs "$mark")
                # Within 5 % or 1 ms.
                same "$version $profile, $mark in line $number: as long as $ns ns" 1 "$(sql t.db "
                    SELECT abs(sum(wait_ns) - $ns) <= max($ns / 20, 1000000) FROM await_edge
                    WHERE file LIKE '%waits.rs' AND line = $number AND child = 'waits::Nap'")"
            done < <(grep '^waited' out)
        done
    done
}

@test "a join branches: each of its futures has its own chain and wait" {
    for version in 1.63 1.96; do
        record_tasks waits-$version-release
        same "chains of at_once" "waits::left waits::right" "$(sql t.db "
            SELECT DISTINCT t.name FROM chain c JOIN chain up ON up.id = c.parent_id
            JOIN future_type t ON t.id = c.future_type_id
            JOIN future_type u ON u.id = up.future_type_id
            WHERE u.name LIKE 'waits::Both<%' ORDER BY 1" | xargs)"
        same "right waits longer than left" 1 "$(sql t.db "
            SELECT (SELECT sum(wait_ns) FROM await_edge WHERE parent = 'waits::right')
                > 2 * (SELECT sum(wait_ns) FROM await_edge WHERE parent = 'waits::left')")"
    done
}

@test "what is awaited shows in chains, with the line, though no code of it is left" {
    for version in 1.63 1.96; do
        record_tasks seed-$version-release
        for name in seed::sy1 seed::sy2; do
            same "physical copies of $name" 0 "$(sql t.db "
                SELECT count(*) FROM probe p JOIN future_type t ON t.id = p.future_type_id
                WHERE t.name = '$name'")"
            number=$(line seed.rs "${name#seed::}")
            same "seed::example awaits $name in line $number, polled" \
                "$number"$'\t'"$(truth $name 3)" "$(sql t.db "
                SELECT line, polls FROM await_edge
                WHERE parent = 'seed::example' AND child = '$name'")"
            number=$(line seed.rs "pend of ${name#seed::}")
            same "$name awaits seed::Pend in line" "$number" "$(sql t.db "
                SELECT line FROM await_edge WHERE parent = '$name' AND child = 'seed::Pend'")"
        done
        same "chains" "seed::example > seed::sy1 > seed::Pend seed::example > seed::sy2 > seed::Pend" \
            "$(sql t.db "SELECT chain FROM await_chain WHERE chain LIKE 'seed::example > seed::sy%Pend'
                ORDER BY chain" | xargs)"
    done
}

@test "states seen are those that the source has, and each is awaited" {
    for version in 1.63 1.96; do
        record_tasks waits-$version-release
        same "suspended in a state without an await point" 0 "$(sql t.db "
            SELECT count(*) FROM poll p JOIN future f ON f.id = p.future_id
            JOIN future_type t ON t.id = f.future_type_id
            WHERE t.kind <> 'future' AND p.state_after >= 3 AND NOT EXISTS (
                SELECT 1 FROM await_point a
                WHERE a.future_type_id = t.id AND a.state = p.state_after)")"
        for mark in short long both 'short nap' 'long nap' 'left nap' 'right nap' \
            'hidden nap' dyn stuck; do
            number=$(line waits.rs "$mark")
            [ "$(sql t.db "SELECT count(*) FROM await_edge WHERE file LIKE '%waits.rs'
                AND line = $number")" -gt 0 ] || fail "$version: no await in line $number ($mark)"
        done
    done
}

@test "counts told by memory are never above the truth, and never called exact" {
    for subject in seed panics storm smol_tasks async_std_tasks server; do
        for version in 1.63 1.96; do
            record_tasks $subject-$version-release
            compare release
            same "$subject-$version: exact rows told by memory" 0 "$(sql t.db "
                SELECT count(*) FROM poll_count c WHERE exact AND EXISTS (
                    SELECT 1 FROM poll p JOIN future f ON f.id = p.future_id
                    WHERE f.future_type_id = c.future_type_id AND p.source <> 'probe')")"
        done
    done
}

@test "at most one entry and one exit trap for each poll of a task" {
    for version in 1.63 1.96; do
        record_tasks server-$version-release
        same "trapped polls inside others" 0 "$(sql t.db "
            SELECT count(*) FROM poll WHERE source = 'probe' AND parent_id IS NOT NULL")"
        for kind in entry exit; do
            same "more traps at a $kind than runs of tasks" 0 "$(sql t.db "
                SELECT sum(p.kind = '$kind') > count(DISTINCT CASE p.kind WHEN 'entry' THEN e.id END)
                FROM event e JOIN probe p ON p.id = e.probe_id")"
        done
        same "server::connection" "$(truth server::connection 3)" \
            "$(sql t.db "SELECT polls FROM poll_count WHERE name = 'server::connection'")"
    done
}

@test "the chains of tasks in a release build are those of all polls in a debug build" {
    for version in 1.63 1.96; do
        "$ASYNCREC" -l all -o debug.db -- "$SUBJECTS/server-$version-debug" >out
        record_tasks server-$version-release
        chains debug.db | cut -f 1 | sort >known
        chains t.db | sort >told
        [ "$(wc -l <told)" -gt 5 ]
        join -t $'\t' -j 1 known told | awk -F '\t' '{ sum += $2 } END { print sum }' >equal
        awk -F '\t' '{ sum += $2 } END { print sum }' told >total
        same "$version: 95 % of the wait time is in the same chains" 1 \
            "$(awk -v equal="$(cat equal)" -v total="$(cat total)" \
                'BEGIN { print (equal >= 0.95 * total) }')"
    done
}

@test "what tasks wait for when the recording ends" {
    # It hangs; the signal that is passed on to it comes after its memory was read.
    "$ASYNCREC" -l tasks -o t.db -- "$SUBJECTS/waits-1.96-release" hang >out 2>err &
    tracer=$!
    until [ -e t.db ] && [ "$(sql t.db 'SELECT count(*) FROM event' 2>/dev/null || echo 0)" -ge 24 ]; do
        sleep 0.1
    done
    sleep 0.5
    kill -TERM $tracer
    wait $tracer || true
    same "pending" "waits::forgotten > waits::stuck > waits::Never"$'\t'"$(line waits.rs never)" \
        "$("$ASYNCREPORT" --format csv t.db pending | tr -d '\r' | awk -F , 'NR > 1 { print $3 "\t" $5 }')"
    same "for longer than 0.4 s" 1 "$(sql t.db 'SELECT waited_ns > 400000000 FROM pending_chain')"
}

@test "names that do not match are passed over in memory too" {
    "$ASYNCREC" -l tasks -x Nap -o t.db -- "$SUBJECTS/waits-1.96-release" >out
    same "futures called Nap" 0 "$(sql t.db "
        SELECT count(*) FROM future f JOIN future_type t ON t.id = f.future_type_id
        WHERE t.name LIKE '%Nap%'")"
    [ "$(sql t.db "SELECT wait_ns FROM await_chain
        WHERE chain = 'waits::in_turn > waits::short'")" -gt 30000000 ]
}

# root_of DB AWAITED: what tasks are the roots of chains that end in it, by name.
root_of() {
    sql "$1" "SELECT DISTINCT substr(chain, 1, instr(chain || ' > ', ' > ') - 1) FROM await_chain
        WHERE chain LIKE '%$2' ORDER BY 1" | xargs
}

@test "a future that block_on has in its own frame is the root of what it awaits" {
    for version in 1.63 1.96; do
        "$ASYNCREC" -l all -o t.db -- "$SUBJECTS/smol_tasks-$version-release" >out
        same "$version, smol: root" "smol_tasks::main::{closure#0}::{async_block#3}" \
            "$(root_of t.db 'async_task::task::Task<usize>')"
        # It awaits the tasks in one line, a task at a time, and waits for nothing else.
        same "$version, smol: places" "smol_tasks.rs:$(line runtimes/src/bin/smol_tasks.rs joined) 1" "$(sql t.db "
            SELECT replace(file, rtrim(file, replace(file, '/', '')), '') || ':' || line, count(*)
            FROM await_edge WHERE child = 'async_task::task::Task<usize>'" | tr '\t' ' ')"
        same "$version, smol: tasks of it, which block_on saw end" "1 ready" "$(sql t.db "
            SELECT count(*), max(outcome) FROM task WHERE name LIKE 'smol_tasks::main::%'" | tr '\t' ' ')"
        "$ASYNCREC" -l all -o t.db -- "$SUBJECTS/futures_tasks-$version-release" >out
        same "$version, futures: no more polls than there were" 1 "$(sql t.db "
            SELECT polls BETWEEN 2 AND $(truth futures_tasks::joined 3) FROM poll_count
            WHERE name = 'futures_tasks::joined'")"
    done
}
