#!/usr/bin/env bats
# Level exact: polls of inlined coroutines are counted by the stores that end them.

load helpers

# Of each type whose stores are proven and of which none was hit that may be another's:
# name, polls, ready, pending, panicked; from the raw half of the recording alone.
stored() {
    sql t.db "
        WITH hit AS (
            SELECT DISTINCT s.future_type_id, e.id,
                coalesce(s.value, e.result >> s.shift & 255) AS state
            FROM event e JOIN state_store s ON s.probe_id = e.probe_id
        )
        SELECT t.name, count(h.id), count(h.id) FILTER (WHERE h.state = 1),
            count(h.id) FILTER (WHERE h.state > 2), count(h.id) FILTER (WHERE h.state = 2)
        FROM future_type t LEFT JOIN hit h ON h.future_type_id = t.id AND h.state <> 0
        WHERE t.stores_proven AND t.id NOT IN (
            SELECT s.future_type_id FROM event e JOIN state_store s ON s.probe_id = e.probe_id
            WHERE s.shared)
        GROUP BY t.id"
}

# counts PROGRAM [ARG...]: what is called exact equals the program's own counts, in the
# raw events and in poll_count. Adds to coroutines and exact.
counts() {
    local program=$1 status=0 wrong=0 word name polls truth row
    shift
    "$ASYNCREC" -l exact -b 64M -o t.db -- "$SUBJECTS/$program" "$@" >out 2>err || status=$?
    [ $status = 0 ] || fail "$program ended with $status: $(cat err)" || return 1
    compare release || fail "$program" || return 1
    stored >stored
    while IFS=$'\t' read -r word name polls truth; do
        # A hand-written future has no state that a store could tell.
        [ "$word" = truth ] && [ "$polls" -gt 0 ] &&
            [ "$(sql t.db "SELECT kind <> 'future' FROM future_type WHERE name = '$name'")" = 1 ] ||
            continue
        row=$(grep -F "$name"$'\t' stored | cut -f 2-) || true
        [ -z "$row" ] || same "$name by its stores" "$polls"$'\t'"$truth" "$row" || wrong=1
        coroutines=$((coroutines + 1))
        if [ "$(sql t.db "SELECT exact FROM poll_count WHERE name = '$name'")" = 1 ]; then
            exact=$((exact + 1))
        else
            echo "# $program: $name is not exact" >&3
        fi
    done <out
    [ $wrong = 0 ] || fail "$program"
}

# programs VERSION PROFILE: all of them; leaves coroutines and exact.
programs() {
    local version=$1 profile=$2 seed=seed-$1-$2
    coroutines=0
    exact=0
    case $profile in
    lto) seed=variant-fat_lto-$version ;;
    small) seed=variant-Os-$version ;;
    esac
    counts "$seed"
    counts panics-$version-$profile
    counts storm-$version-$profile 20 3
    counts shapes-$version-$profile
    if [ "$profile" = release ] || [ "$version-$profile" = 1.96-lto ]; then
        counts smol_tasks-$version-$profile
        counts tokio_local-$version-$profile
        counts tokio_pool-$version-$profile 1
        counts tokio_pool-$version-$profile 2
    fi
    if [ "$profile" = release ]; then
        counts server-$version-$profile 20 3
        counts async_std_tasks-$version-$profile
        counts futures_tasks-$version-$profile
    fi
    echo "# rustc $version, $profile: $exact of $coroutines coroutines exact" >&3
}

@test "counted exactly: release, rustc 1.63" {
    programs 1.63 release
    same "exact" "$coroutines" "$exact"
}

# Of the block in main of tokio_local LLVM keeps the state in a register.
@test "counted exactly: release, rustc 1.96" {
    programs 1.96 release
    same "exact" $((coroutines - 1)) "$exact"
}

@test "counted exactly: fat LTO" {
    for version in 1.63 1.96; do
        programs $version lto
        [ $((exact * 100)) -ge $((coroutines * 85)) ]
    done
}

@test "counted exactly: opt-level s" {
    for version in 1.63 1.96; do
        programs $version small
        [ $((exact * 100)) -ge $((coroutines * 85)) ]
    done
}

@test "counted exactly: opt-level 1, 2 and 3, without unwinding, static" {
    coroutines=0
    exact=0
    for variant in O1 O2 O3 abort static v0_O3; do
        for version in 1.63 1.96; do
            counts variant-$variant-$version
        done
    done
    same "exact" "$coroutines" "$exact"
}

@test "--list -v -l exact says how each coroutine is counted, or why not" {
    "$ASYNCREC" --list -v -l exact "$SUBJECTS/server-1.96-release" >list
    sed -n '/^COUNTED/,$p' list | tail -n +2 >proofs
    [ "$(wc -l <proofs)" -gt 20 ]
    same "lines of no form" "" "$(grep -Ev '^(proven +[1-9][0-9]*|entries +-) +[^ ].*$|^partly +- +[^ ].*: .+, at 0x[0-9a-f]+$' proofs)"
    grep -q '^proven .* server::lookup$' proofs
    grep -q '^partly ' proofs
    record_server_types >types
    [ "$(wc -l <types)" = "$(wc -l <proofs)" ]
    echo "# server, rustc 1.96: $(grep -vc '^partly' proofs) of $(wc -l <proofs) coroutines exact" >&3
}

# The coroutines of the server that have code.
record_server_types() {
    "$ASYNCREC" -q -l exact -o t.db -- "$SUBJECTS/server-1.96-release" 1 1 >out
    sql t.db "SELECT name FROM future_type t WHERE kind <> 'future' AND (inlined > 0
        OR EXISTS (SELECT 1 FROM probe p WHERE p.future_type_id = t.id AND NOT p.runs_task))"
}

@test "a probe for each store, and none is left behind" {
    "$ASYNCREC" -q -l exact -o t.db -- "$SUBJECTS/shapes-1.96-release" >out &
    recorder=$!
    wait $recorder
    same "probes left" "" "$(grep "asyncrec_${recorder}_" /sys/kernel/tracing/uprobe_events)"
    [ "$(sql t.db "SELECT count(*) FROM probe WHERE kind = 'store'")" -gt 10 ]
    same "coroutines with several at one address" "" "$(sql t.db "SELECT p.address
        FROM probe p JOIN state_store s ON s.probe_id = p.id
        GROUP BY p.address, s.inlined_poll_id, s.future_type_id HAVING count(*) > 1")"
    same "store probes that tell nothing" 0 "$(sql t.db "SELECT count(*) FROM probe
        WHERE kind = 'store' AND id NOT IN (SELECT probe_id FROM state_store)")"
    same "stores of types not proven" 0 "$(sql t.db "SELECT count(*) FROM state_store s
        JOIN future_type t ON t.id = s.future_type_id WHERE NOT t.stores_proven")"
}

# Beside each store probe's address the instruction that is there.
probed_instructions() {
    sql t.db "SELECT printf('%x', address) FROM probe WHERE kind = 'store'" | sort >addresses
    objdump -d --no-show-raw-insn "$1" | awk -F '\t' '{ gsub(/[ :]/, "", $1); print $1 "\t" $2 }' |
        sort >instructions
    join -t $'\t' addresses instructions | sed 's/ .*//'
}

@test "a store is probed where the kernel emulates the instruction, if one is run with it" {
    "$ASYNCREC" -q -l exact -b 64M -o t.db -- "$SUBJECTS/server-1.96-release" >out
    probed_instructions "$SUBJECTS/server-1.96-release" >probed
    same "probes" "$(wc -l <addresses)" "$(wc -l <probed)"
    cheap=$(grep -Ec $'\t(j[a-z]+|call|push)$' probed)
    echo "# $cheap of $(wc -l <probed) stores are probed on an emulated instruction" >&3
    [ $((cheap * 100)) -ge $(($(wc -l <probed) * 50)) ]
    # All others are the stores themselves.
    same "others" "" "$(grep -Ev $'\t(j[a-z]+|call|push|mov[a-z]*)$' probed)"
}

@test "of stores probed on one instruction the inner one traps first" {
    "$ASYNCREC" -q -l exact -b 64M -o t.db -- "$SUBJECTS/shapes-1.96-release" >out
    # Each address with two probes, of a poll and of one inlined in it: the traps take turns.
    sql t.db "
        WITH pair AS (
            SELECT DISTINCT i.probe_id AS inner_id, o.probe_id AS outer_id
            FROM state_store i JOIN inlined_poll p ON p.id = i.inlined_poll_id
            JOIN state_store o ON o.inlined_poll_id = p.parent_id
            JOIN probe a ON a.id = i.probe_id JOIN probe b ON b.id = o.probe_id
            WHERE a.address = b.address AND a.id <> b.id
        ), hit AS (
            SELECT outer_id, probe_id, row_number() OVER (
                PARTITION BY outer_id, inner_id, tid ORDER BY time_ns, e.id) AS n
            FROM pair JOIN event e ON e.probe_id IN (inner_id, outer_id)
        )
        SELECT count(*), count(*) FILTER (WHERE (n % 2 = 0) <> (probe_id = outer_id)) FROM hit
    " >order
    [ "$(cut -f 1 order)" -gt 20 ]
    same "in another order" 0 "$(cut -f 2 order)"
}

@test "other levels look for no stores" {
    "$ASYNCREC" -q -l all -o t.db -- "$SUBJECTS/shapes-1.96-release" >out
    same "stores" 0 "$(sql t.db "SELECT count(*) FROM state_store")"
    same "types said to be proven or not" 0 "$(sql t.db "
        SELECT count(stores_proven) FROM future_type")"
}

@test "the cache keeps stores, and what has them serves every level" {
    subject=$SUBJECTS/shapes-1.96-release
    "$ASYNCREC" --list "$subject" >async
    "$ASYNCREC" -v --list -l exact "$subject" >exact 2>err
    grep -q 'without store sites' err
    "$ASYNCREC" -v --list -l exact "$subject" >again 2>err
    grep -q 'in the cache.*used' err
    diff exact again
    "$ASYNCREC" --list "$subject" >again
    diff async again
    "$ASYNCREC" --no-cache -v --list -l exact "$subject" >again
    diff exact again
}

@test "-m and -x choose the stores, too" {
    "$ASYNCREC" -q -l exact -m '^shapes::pair$' -o t.db -- "$SUBJECTS/shapes-1.96-release" >out
    same "types" shapes::pair "$(sql t.db "SELECT DISTINCT t.name FROM state_store s
        JOIN future_type t ON t.id = s.future_type_id")"
    same "polls" "$(truth shapes::pair 3)" "$(stored | cut -f 2)"
}
