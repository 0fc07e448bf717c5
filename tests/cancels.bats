#!/usr/bin/env bats
# Futures that were dropped before they were done, and panics: the programs count what
# became of their futures, and the recordings must say the same.

load helpers

# fates LEVEL SUBJECT [ARG...]: leaves t.db, out and err in the current directory.
fates() {
    local level=$1 subject=$2 status=0
    shift 2
    "$ASYNCREC" -l "$level" -o t.db -- "$SUBJECTS/$subject" "$@" >out 2>err || status=$?
    [ $status = 0 ] || fail "asyncrec $subject ended with $status: $(cat err)"
    nothing_lost
    agrees
}

# What table cancel, outcomes and counts say of cancelled futures is the same.
agrees() {
    same "futures cancelled without a row, or with two" 0 "$(sql t.db "
        SELECT count(*) FROM future f WHERE (f.outcome IS 'cancelled') <>
            (SELECT count(*) FROM cancel c WHERE c.future_id = f.id)")"
    same "tasks and their root futures that differ" 0 "$(sql t.db "
        SELECT count(*) FROM task k JOIN future f ON f.id = k.root_future_id
        WHERE k.outcome IS NOT f.outcome")"
    same "sum of poll_count" "$(sql t.db 'SELECT sum(polled) FROM cancel')" \
        "$(sql t.db 'SELECT sum(cancelled) FROM poll_count')"
    same "bounds that are none" 0 "$(sql t.db "SELECT count(*) FROM cancel
        WHERE since_ns > time_ns OR (exact AND since_ns <> time_ns)")"
    same "sum of the view" "$(sql t.db 'SELECT count(*) FROM cancel')" \
        "$("$ASYNCREPORT" --format csv --limit 0 t.db cancels | tr -d '\r' |
            awk -F , 'NR > 1 { n += $1 } END { print n + 0 }')"
}

# fate NAME: what the recording says: never polled, cancelled, panicked, ready.
fate() {
    sql t.db "
        SELECT (SELECT count(*) FROM cancel c JOIN future_type t ON t.id = c.future_type_id
                WHERE t.name = '$1' AND NOT c.polled),
            (SELECT count(*) FROM cancel c JOIN future_type t ON t.id = c.future_type_id
                WHERE t.name = '$1' AND c.polled),
            coalesce((SELECT sum(panicked) FROM poll_count WHERE name = '$1'), 0),
            coalesce((SELECT sum(ready) FROM poll_count WHERE name = '$1'), 0)"
}

# The program's own counts, and the lines of the `.await`s, are just those recorded.
same_fates() {
    local word name unpolled cancelled panicked ready compared=0
    while IFS=$'\t' read -r word name unpolled cancelled panicked ready; do
        case $word in
        fate)
            same "$name: never polled, cancelled, panicked, ready" \
                "$unpolled"$'\t'"$cancelled"$'\t'"$panicked"$'\t'"$ready" "$(fate "$name")" ||
                return 1
            compared=$((compared + 1))
            ;;
        dropped) # NAME LINE COUNT
            same "$name: dropped in line $unpolled, exactly" "$cancelled" "$(sql t.db "
                SELECT count(*) FROM cancel c JOIN future_type t ON t.id = c.future_type_id
                JOIN await_point a ON a.id = c.await_point_id
                WHERE t.name = '$name' AND a.line = $unpolled AND c.exact")" || return 1
            ;;
        esac
    done <out
    [ $compared -gt 0 ]
}

# Of optimised programs no more is recorded than happened, and what cancelled_exact says is
# complete is.
no_more_fates() {
    local word name unpolled cancelled panicked ready fate=() compared=0
    while IFS=$'\t' read -r word name unpolled cancelled panicked ready; do
        [ "$word" = fate ] || continue
        read -ra fate <<<"$(fate "$name")"
        [ "${fate[0]}" -le "$unpolled" ] && [ "${fate[1]}" -le "$cancelled" ] &&
            [ "${fate[2]}" -le "$panicked" ] && [ "${fate[3]}" -le "$ready" ] ||
            fail "$name: $unpolled $cancelled $panicked $ready, recorded ${fate[*]}" || return 1
        [ "$(sql t.db "SELECT min(cancelled_exact) FROM poll_count WHERE name = '$name'")" != 1 ] ||
            same "$name: cancelled" "$cancelled" "${fate[1]}" || return 1
        compared=$((compared + 1))
    done <out
    [ $compared -gt 0 ]
}

# At level exact, how many were cancelled, and where, is known also of inlined ones.
same_cancels() {
    local word name unpolled cancelled rest
    while IFS=$'\t' read -r word name unpolled cancelled rest; do
        case $word in
        fate)
            same "$name: cancelled" "$cancelled" "$(fate "$name" | cut -f 2)" || return 1
            ;;
        dropped)
            same "$name: dropped in line $unpolled" "$cancelled" "$(sql t.db "
                SELECT count(*) FROM cancel c JOIN future_type t ON t.id = c.future_type_id
                JOIN await_point a ON a.id = c.await_point_id
                WHERE t.name = '$name' AND a.line = $unpolled")" || return 1
            ;;
        esac
    done <out
}

@test "cancels: counts, lines and outcomes are the program's own, debug builds" {
    for version in 1.63 1.96; do
        for level in async all exact; do
            fates $level cancels-$version-debug
            same_fates
        done
    done
}

@test "cancels: release and link time optimisation: never too many; level exact: all" {
    for version in 1.63 1.96; do
        for profile in release lto; do
            fates async cancels-$version-$profile
            no_more_fates
        done
        fates exact cancels-$version-release
        no_more_fates
        same_cancels
    done
}

@test "cancels: who dropped it" {
    fates async cancels-1.96-debug
    by() { # NAME: who dropped such futures while they were suspended
        sql t.db "
            SELECT DISTINCT CASE WHEN c.outer_id IS NOT NULL THEN 'with ' || ot.name
                WHEN p.result = 'panicked' THEN 'panic in ' || b.name
                ELSE coalesce(b.name, c.how) END
            FROM cancel c JOIN future_type t ON t.id = c.future_type_id
            LEFT JOIN cancel o ON o.id = c.outer_id
            LEFT JOIN future_type ot ON ot.id = o.future_type_id
            LEFT JOIN poll p ON p.id = c.by_poll_id LEFT JOIN future f ON f.id = c.by_future_id
            LEFT JOIN future_type b ON b.id = f.future_type_id
            WHERE t.name = 'cancels::$1' AND c.polled ORDER BY 1" | xargs -d '\n' | tr ' ' _
    }
    same "inner" with_cancels::middle "$(by inner)"
    same "loser" cancels::choice_with_cancels::choice "$(by loser)"
    same "holder" outside "$(by holder)"
    same "sibling" panic_in_cancels::joined "$(by sibling)"
}

@test "panics: view and counts are the program's own" {
    for subject in panics-1.63-debug panics-1.96-debug cancels-1.63-debug cancels-1.96-debug; do
        record $subject
        "$ASYNCREPORT" --format csv t.db panics | tr -d '\r' >panics.csv
        same "$subject: panics" "$(sql t.db "
            SELECT count(*) FROM poll WHERE result = 'panicked' AND id NOT IN (
                SELECT parent_id FROM poll WHERE result = 'panicked' AND parent_id > 0)")" \
            "$(awk -F , 'NR > 1 { n += $1 } END { print n }' panics.csv)"
    done
    chain="cancels::joined > cancels::Both<cancels::sibling, cancels::bomb> > cancels::bomb"
    same "panics of a joined bomb" 3 "$(sql t.db "
        SELECT count(*) FROM poll p JOIN await_chain c ON c.id = p.chain_id
        WHERE p.result = 'panicked' AND c.chain = '$chain'")"
    bomb=$(awk -F '\t' '$1 == "fate" && $2 == "cancels::bomb" { print $5 }' out)
    same "panics of bomb" "$bomb" "$(awk -F , 'NR > 1 { n += $1 } END { print n }' panics.csv)"
}

@test "cancels: tokio, on one thread and on workers" {
    for version in 1.63 1.96; do
        for workers in 0 1 2; do
            fates async tokio_cancels-$version-debug $workers
            same_fates
            fates async tokio_cancels-$version-release $workers
            no_more_fates
        done
    done
    fates async tokio_cancels-1.96-lto 2
    no_more_fates
}

@test "cancels: tokio: an abort, and the end of the runtime" {
    fates async tokio_cancels-1.96-debug 0
    how() {
        sql t.db "SELECT DISTINCT c.how FROM cancel c JOIN future_type t ON t.id = c.future_type_id
            WHERE t.name = 'tokio_cancels::$1' AND c.polled"
    }
    same "aborted" abort "$(how aborted)"
    same "member of the JoinSet" abort "$(how member)"
    same "left as the runtime ends" executor "$(how left)"
    same "slow, which timed out" poll "$(how slow)"
}

@test "cancels: smol and the futures crate" {
    for version in 1.63 1.96; do
        for name in smol futures; do
            fates async ${name}_cancels-$version-debug
            same_fates
            fates async ${name}_cancels-$version-release
            no_more_fates
        done
    done
}

# futures NAME: how many there were.
futures() {
    sql t.db "SELECT sum(futures) FROM poll_count WHERE name = '$1'"
}

# Every future is one, and every task, though they have had the same addresses.
never_merged() { # CRATE
    local word name unpolled cancelled panicked ready begun=0
    while IFS=$'\t' read -r word name unpolled cancelled panicked ready; do
        [ "$word" = fate ] || continue
        same "$name: futures" $((cancelled + panicked + ready)) "$(futures "$name")" || return 1
        [ "$name" = "$1::step" ] || begun=$((begun + cancelled + panicked + ready))
    done <out
    same "tasks" $begun "$(sql t.db "SELECT count(*) FROM task
        WHERE name IN ('$1::task', '$1::thread_main')")"
}

@test "10,000 tasks and 200 threads are never merged" {
    for version in 1.63 1.96; do
        fates async reuse-$version-debug
        same_fates
        never_merged reuse
        fates async reuse-$version-release
        no_more_fates
    done
}

@test "10,000 tasks of tokio and 200 runtimes are never merged" {
    fates async tokio_reuse-1.96-debug 2
    same_fates
    never_merged tokio_reuse
    fates async tokio_reuse-1.96-release 2
    no_more_fates
}
