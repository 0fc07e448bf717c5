#!/usr/bin/env bats
# Who woke whom, as often as the programs themselves count it (subjects/runtimes/src/bells.rs).

load helpers

# of NAME: the task that polls a future of that name, or is called so, as SQL.
of() {
    echo "(SELECT f.task_id FROM future f JOIN future_type t ON t.id = f.future_type_id
        WHERE t.name = '$1' UNION SELECT id FROM task WHERE name LIKE '%$1>')"
}

# seen NAME...: are the polls of all of them known, and not all inlined into main?
seen() {
    local name
    for name in "$@"; do
        [ "$name" = outside ] || [ -n "$(sql t.db "SELECT 1 WHERE EXISTS $(of "$name")")" ] ||
            return 1
    done
}

# made BY CONDITION: wakes by value and by reference, by that task or from outside. Inlined
# into main, the one that is blocked on cannot always be told from what is around it.
made() {
    local by="w.by_task_id IN $(of "$1")"
    [ "$1" != outside ] || by="w.by_task_id IS NULL"
    [[ $1 != *::all_ended ]] || by="($by OR w.by_task_id IS NULL)"
    sql t.db "SELECT coalesce(sum(w.by_value), 0), coalesce(sum(NOT w.by_value), 0)
        FROM wake w JOIN future f ON f.id = w.future_id
        JOIN future_type t ON t.id = f.future_type_id WHERE $by AND $2"
}

# equals_truth LEVEL SUBJECT [ARG...]: every line that the program printed. That a task had
# ended is not known if its poll is inlined into the executor, or only that traps; nor, in
# release builds, how many wakers are left if the executor has their clones inlined.
equals_truth() {
    local level=$1 subject=$2 status=0 compared=0 word a b c d
    shift 2
    "$ASYNCREC" -l "$level" --life all -o t.db -- "$SUBJECTS/$subject" "$@" >out 2>err ||
        status=$?
    [ $status = 0 ] || fail "asyncrec $subject ended with $status: $(cat err)" || return 1
    nothing_lost || return 1
    same "$subject: kinds of lines" "effects lost wakes" \
        "$(cut -f 1 out | grep -vE 'nested|metrics' | sort -u | xargs)" || return 1
    echo "$subject $*, level $level"
    while IFS=$'\t' read -r word a b c d; do
        case $word in
        wakes) seen "$a" "$b" || continue
            same "$a wakes $b" "$c"$'\t'"$d" \
            "$(made "$a" "NOT w.nested AND w.task_id IN $(of "$b")")" ;;
        nested) seen "$b" || continue
            same "$a wakes $b" "$c"$'\t'"$d" \
            "$(made "$a" "(w.nested OR t.name = '$b') AND w.task_id IN $(of "$b")")" ;;
        effects) same "$a, $b" "$c" "$(sql t.db "SELECT count(*)
            FROM wake w JOIN task k ON k.id = w.task_id WHERE k.id IN $(of "$a")
            AND coalesce(w.effect, CASE WHEN k.outcome IS NULL THEN 'finished' END) = '$b'")" ;;
        lost) [ -z "$(sql t.db "SELECT 1 FROM task WHERE waker_lost AND id NOT IN $(of "$a")")" ] &&
            case $level,$subject in
            tasks,* | *,wakes_*-release) ;;
            *) same "nothing can wake $a" 1 "$(sql t.db "SELECT waker_lost FROM task
                WHERE id IN $(of "$a")")" ;;
            esac ;;
        esac || return 1
        compared=$((compared + 1))
    done <out
    # Of those that wake one another only the one that is blocked on may be inlined.
    [ $compared -ge 9 ] || fail "$compared lines compared"
}

@test "wakes on executors of the program's own are as many as it made, at every level" {
    for version in 1.63 1.96; do
        for profile in debug release; do
            for level in tasks async all; do
                equals_truth $level wakes-$version-$profile
                equals_truth $level wakes-$version-$profile lend
            done
        done
    done
}

# runtimes VERSION: the same tasks on those of Debian.
runtimes() {
    local build profile level
    for build in "debug async" "debug all" "release tasks" "release async"; do
        read -r profile level <<<"$build"
        equals_truth $level wakes_tokio-$1-$profile
        equals_truth $level wakes_tokio-$1-$profile 2
        equals_truth $level wakes_smol-$1-$profile
        equals_truth $level wakes_futures-$1-$profile
    done
}

@test "wakes on tokio, smol and the futures crate are as many as the program made" {
    runtimes 1.63
}

@test "wakes on tokio, smol and the futures crate by a current rustc are as many, too" {
    runtimes 1.96
}

@test "what tokio itself counted is what was recorded: tasks scheduled and polled" {
    for workers in "" 2; do
        # shellcheck disable=SC2086 # no workers: no argument
        equals_truth async wakes_tokio-metrics-debug $workers
        same "scheduled, polled" "$(grep metrics out | cut -f 2-)" "$(sql t.db "
            SELECT sum(1 + (SELECT count(*) FROM wake w WHERE w.task_id = k.id
                AND w.effect IN ('scheduled', 'running'))), sum(polls)
            FROM task k WHERE k.name LIKE 'runtimes::bells::%'
            AND k.name <> 'runtimes::bells::all_ended'")"
    done
}

@test "the view wakes: who, from which line, to what effect" {
    record wakes-1.96-debug
    "$ASYNCREPORT" --format csv t.db wakes | tr -d '\r' >view.csv
    head -1 view.csv | grep -q '^wakes,scheduled,running,already,finished,unpolled,unknown,' ||
        fail "$(head -1 view.csv)"
    grep -Eq '^60,0,20,40,0,0,0,[0-9]+,[0-9]+,wakes::bells::Storm,.*bells.rs,[0-9]+,wakes::bells::storm$' \
        view.csv || fail "$(cat view.csv)"
    grep -Eq '^3,0,0,0,3,0,0,,,thread [^,]+,,,wakes::bells::late$' view.csv || fail "$(cat view.csv)"
}

@test "tasks say how often they were woken, how long they waited, and --from narrows it" {
    record wakes-1.96-debug
    same "storm: wakes, by itself, complete" 60$'\t'60$'\t'1 "$(sql t.db "
        SELECT wakes, self_wakes, wakes_exact FROM task WHERE name = 'wakes::bells::storm'")"
    same "its time in the queue" "$(sql t.db "SELECT sum(w.sched_ns) FROM wake w
        JOIN task k ON k.id = w.task_id WHERE k.name = 'wakes::bells::storm'")" \
        "$(sql t.db "SELECT sched_ns FROM task WHERE name = 'wakes::bells::storm'")"
    same "no longer than its life" 1 "$(sql t.db "SELECT sched_ns + busy_ns <=
        (SELECT max(end_ns) FROM poll p WHERE p.task_id = k.id) - first_poll_ns
        FROM task k WHERE name = 'wakes::bells::storm'")"
    last=$(sql t.db "SELECT (max(time_ns) - value) || 'ns' FROM wake, meta WHERE key = 'start_ns'")
    same "the last wake" 1 "$("$ASYNCREPORT" --format csv --from "$last" --sql \
        "SELECT count(*) FROM wake" t.db | tr -d '\r' | tail -1)"
}

@test "--life: without wake there are no wakes, without waker it is not told what is lost" {
    "$ASYNCREC" -l all --life none -o t.db -- "$SUBJECTS/wakes-1.96-debug" >out 2>err
    same "wakes" 0 "$(sql t.db "SELECT count(*) FROM wake")"
    same "tasks that say" 0 "$(sql t.db "SELECT count(wakes) + count(waker_lost) FROM task")"
    "$ASYNCREC" -l all -o t.db -- "$SUBJECTS/wakes-1.96-debug" >out 2>err
    same "kinds of traps, if not asked for" wake "$(sql t.db "SELECT DISTINCT p.kind FROM event e
        JOIN probe p ON p.id = e.probe_id WHERE p.kind LIKE 'wake%'")"
    "$ASYNCREC" -l all --life wake -o t.db -- "$SUBJECTS/wakes-1.96-debug" >out 2>err
    same "kinds of traps" wake "$(sql t.db "SELECT DISTINCT p.kind FROM event e
        JOIN probe p ON p.id = e.probe_id WHERE p.kind LIKE 'wake%'")"
    same "storm" 60 "$(sql t.db "SELECT wakes FROM task WHERE name = 'wakes::bells::storm'")"
    same "lost" 0 "$(sql t.db "SELECT count(*) FROM task WHERE waker_lost")"
}
