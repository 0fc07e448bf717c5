#!/usr/bin/env bats
# Probe points of the user's own: where they may be, and that every hit is recorded in
# the future it was in.

load helpers

# hits DB: rows `future hits` of every probe, sorted.
hits() {
    sql "$1" "SELECT coalesce(t.name, '-'), count(*) FROM probe_hit h
        LEFT JOIN future f ON f.id = h.future_id
        LEFT JOIN future_type t ON t.id = f.future_type_id GROUP BY 1 ORDER BY 1"
}

# Each count of the program begins once for a coroutine and once for each poll of a
# hand-written future: the hits that `Count::begin` must have, as rows of `hits`.
expected_hits() { # HANDWRITTEN
    awk -F '\t' -v handwritten="$1" '$1 == "truth" {
        print $2 "\t" ($2 ~ handwritten ? $3 : $4) }' out | LC_ALL=C sort
}

# Every hit lies in the time of its poll, on its thread, and in no deeper one.
well_placed() {
    same "hits outside of the poll they are said to be in" 0 "$(sql t.db "
        SELECT count(*) FROM probe_hit h JOIN poll p ON p.id = h.poll_id
        WHERE h.tid <> p.tid OR h.task_id <> p.task_id OR h.future_id <> p.future_id
        OR h.time_ns < p.start_ns OR h.time_ns > coalesce(p.end_ns, h.time_ns)")"
    same "hits in a poll further inside" 0 "$(sql t.db "
        SELECT count(*) FROM probe_hit h JOIN poll p ON p.id = h.poll_id
        JOIN poll q ON q.tid = h.tid AND q.start_ns > p.start_ns
        AND h.time_ns BETWEEN q.start_ns AND q.end_ns")"
    same "hits and their events" 0 "$(sql t.db "SELECT count(*) FROM probe_hit h
        JOIN event e ON e.id = h.event_id
        WHERE e.time_ns <> h.time_ns OR e.tid <> h.tid OR e.probe_id <> h.probe_id")"
}

@test "a function is hit as often as the program calls it, in the futures that call it" {
    for version in 1.63 1.96; do
        "$ASYNCREC" -l all --probe seed::truth::Count::begin -o t.db \
            "$SUBJECTS/seed-$version-debug" >out
        nothing_lost
        compare debug
        expected_hits '^seed::Pend$' >expected
        hits t.db | LC_ALL=C sort >got
        diff expected got
        well_placed
        same "where" "truth.rs" "$(sql t.db 'SELECT file FROM user_probe' | sed 's|.*/||')"
    done
}

@test "hits on several threads of a tokio server" {
    "$ASYNCREC" -l all --probe server::truth::Count::begin -o t.db \
        "$SUBJECTS/server-1.96-debug" >out
    nothing_lost
    expected_hits '^server::Sleeping$' >expected
    hits t.db | LC_ALL=C sort >got
    diff expected got
    well_placed
    [ "$(sql t.db 'SELECT count(DISTINCT tid) FROM probe_hit')" -gt 1 ]
}

@test "the first and the last instruction of a poll are inside of it" {
    program=$SUBJECTS/seed-1.96-debug
    symbol=$(nm "$program" | awk '/4seed3sy128_.*closure/ { print $3 }')
    objdump -d --no-show-raw-insn --disassemble="$symbol" "$program" >code
    # It has several returns; each poll passes one of them.
    probes=(--probe "$symbol" --probe "$symbol+0")
    for ret in $(awk '$2 == "ret" { sub(/:/, "", $1); print "0x" $1 }' code); do
        probes+=(--probe "$ret")
    done
    [ ${#probes[@]} -gt 6 ]
    for exits in all none; do
        "$ASYNCREC" -l all --exits $exits "${probes[@]}" -o t.db "$program" >out
        polls=$(truth seed::sy1 3)
        same "probes: the same place is one" $((${#probes[@]} / 2 - 1)) \
            "$(sql t.db 'SELECT count(*) FROM user_probe')"
        same "hits, $exits" "seed::sy1 $((2 * polls))" "$(hits t.db | xargs)"
        same "polls with a hit at each end, $exits" "$polls" "$(sql t.db "
            SELECT count(*) FROM (SELECT 1 FROM probe_hit h JOIN user_probe u USING (probe_id)
                GROUP BY h.poll_id HAVING sum(u.offset = 0) = 1 AND sum(u.offset > 0) = 1)")"
        [ $exits = none ] || compare debug
    done
}

@test "what is recorded beside the hits is what is recorded without" {
    "$ASYNCREC" -l all -o without.db "$SUBJECTS/panics-1.96-debug" >out
    "$ASYNCREC" -l all --probe panics::truth::Count::begin --probe panics::truth::Count::ready \
        -o t.db "$SUBJECTS/panics-1.96-debug" >out
    compare debug
    for db in without.db t.db; do
        sql $db "SELECT name, futures, polls, ready, pending, cancelled, panicked, exact
            FROM poll_count ORDER BY name" >$db.counts
        sql $db "SELECT chain, depth, polls FROM await_chain ORDER BY chain" >>$db.counts
    done
    cmp without.db.counts t.db.counts
    [ "$(sql t.db 'SELECT count(*) FROM probe_hit')" -gt 0 ]
    well_placed
}

@test "a name can be the linkage name, or demangled with or without the hash" {
    program=$SUBJECTS/seed-1.96-debug
    linkage=$(nm "$program" | awk '/5truth5Count5begin17h/ { print $3 }')
    hash=${linkage##*17h}
    address=0x$(nm "$program" | awk '/5truth5Count5begin17h/ { print $1 }')
    for name in "$linkage" seed::truth::Count::begin "seed::truth::Count::begin::h${hash%E}" \
        "$address" "$linkage+0x0"; do
        "$ASYNCREC" --probe "$name" --list "$program" >list
        same "$name" "seed::truth::Count::begin (truth.rs:41)" \
            "$(awk '/\(probe\)/ { print $6, $7 }' list)"
    done
    program=$SUBJECTS/variant-v0-1.96
    linkage=$(nm "$program" | awk '/5Count5begin/ { print $3 }')
    for name in "$linkage" '<seed::truth::Count>::begin'; do
        "$ASYNCREC" --probe "$name" --list "$program" >list
        same "$name" "<seed::truth::Count>::begin" "$(awk '/\(probe\)/ { print $6 }' list)"
    done
}

@test "an address is shown as offset from the function it is in" {
    program=$SUBJECTS/seed-1.96-debug
    "$ASYNCREC" --probe seed::truth::Count::begin+4 --list "$program" >by_symbol
    grep -q 'Count::begin+0x4 ' by_symbol
    address=$(nm "$program" | awk '/5truth5Count5begin17h/ { print $1 }')
    "$ASYNCREC" --probe "$(printf '0x%x' $((0x$address + 4)))" --list "$program" >by_address
    cmp by_symbol by_address
}

@test "a name that many functions have is refused with their number" {
    program=$SUBJECTS/seed-1.96-debug
    name='<F as core::future::into_future::IntoFuture>::into_future'
    count=$(nm -C "$program" | grep -cF " $name")
    [ "$count" -gt 1 ]
    refuses "$count functions" "$ASYNCREC" --probe "$name" -o t.db "$program"
    [ ! -e t.db ]
}

@test "a place that no probe can be on is refused with the reason" {
    program=$SUBJECTS/places-c
    wrong() { # REASON PROBE
        refuses "--probe .*$1" "$ASYNCREC" --probe "$2" -o t.db "$program" 1
        [ ! -e t.db ]
    }
    wrong 'no function has that name' no_such_function
    wrong 'no function has that name' ''
    wrong 'no function has that name' '+4'
    wrong 'no function has that name' 'landing_pad+four'
    wrong 'no function has that name' '0xfour'
    wrong '6 bytes only' landing_pad+6
    wrong '6 bytes only' landing_pad+0xffffffffffffffff
    wrong 'begins at offset 0x0 ' landing_pad+1
    wrong 'begins at offset 0x1 ' locked+2
    wrong 'no uprobe' locked+1
    wrong 'no uprobe' vector+1
    wrong 'cannot be disassembled' odd_bytes+2
    wrong 'cannot be disassembled' odd_bytes+3
    wrong 'not an address of code' 0x10
    wrong 'not an address of code' 0xffffffffffffffff
    gap=$(nm "$program" | awk '$3 == "landing_pad" { print $1 }')
    gap=$((0x$gap + 6))
    wrong "outside of any function: landing_pad.* ends at $(printf 0x%x $gap)" "$(printf 0x%x $gap)"
    wrong "outside of any function" "$(printf 0x%x $((gap + 15)))"
    # Text before the first symbol; there is none in the linker's own code, either.
    strip -o program "$program"
    program=./program
    refuses 'no symbols' "$ASYNCREC" --probe 0x1139 -o t.db ./program
}

@test "the kernel arms what is not refused, and refuses what is" {
    "$ASYNCREC" --probe landing_pad --probe locked --probe vector --probe odd_bytes \
        --probe landing_pad+5 --probe locked+5 -o t.db "$SUBJECTS/places-c" 7 >out
    same "hits" "landing_pad+4 7 landing_pad+5 7 locked+0 7 locked+5 7 odd_bytes+0 7 vector+0 0" "$(
        sql t.db "SELECT symbol || '+' || offset, count(h.id) FROM user_probe u
            LEFT JOIN probe_hit h ON h.probe_id = u.probe_id
            GROUP BY u.probe_id ORDER BY 1" | xargs)"
    # An event can be enabled for a mapping that is there only if the kernel accepts it.
    events=/sys/kernel/tracing
    for place in locked:1 vector:1; do
        address=$(nm "$SUBJECTS/places-c" | awk -v name="${place%:*}" '$3 == name { print $1 }')
        mapped=$(readelf -lW "$SUBJECTS/places-c" | awk '/R E/ { print $2, $3 }')
        offset=$((0x$address + ${place#*:} + ${mapped% *} - ${mapped#* }))
        "$SUBJECTS/places-c" 2000000000 &
        traced=$!
        until grep -q ' r-xp .*/places-c$' /proc/$traced/maps; do sleep 0.01; done
        printf 'p:places_test_%d/it %s:0x%x\n' $$ "$SUBJECTS/places-c" $offset >>$events/uprobe_events
        accepted=0
        echo 1 2>/dev/null >$events/events/places_test_$$/it/enable || accepted=$?
        echo 0 >$events/events/places_test_$$/it/enable
        echo "-:places_test_$$/it" >>$events/uprobe_events
        kill $traced
        [ $accepted != 0 ] || fail "the kernel puts a uprobe on $place"
    done
}

@test "a program without futures can be probed, every copy of a function" {
    refuses 'no async code' "$ASYNCREC" -o t.db "$SUBJECTS/places-c" 7
    status=0
    "$ASYNCREC" --probe twin -o t.db "$SUBJECTS/places-c" 7 >out 2>err || status=$?
    same "exit status" 0 $status || fail "$(cat err)"
    same "hits of the copies" "14 21" "$(sql t.db "SELECT count(*) FROM probe_hit
        GROUP BY probe_id ORDER BY 1" | xargs)"
    same "hits in a poll, of a future, in a task" "0 0 0" "$(sql t.db "
        SELECT count(poll_id), count(future_id), count(task_id) FROM probe_hit" | xargs)"
    same "lines of both" "places.c places_twin.c" "$(sql t.db 'SELECT file FROM user_probe' |
        sed 's|.*/||' | sort | xargs)"
    "$ASYNCREPORT" --format csv t.db probes >report
    same "the report" "35,0,,twin" "$(tail -n 1 report | cut -d , -f 1-4)"
    # No future matches: there is still something to see.
    "$ASYNCREC" -m 'no such future' --probe seed::main -o t.db "$SUBJECTS/seed-1.96-debug" >out
    same "hits" 1 "$(sql t.db 'SELECT count(*) FROM probe_hit')"
}

@test "the function is looked for in each --exe file" {
    seed=$SUBJECTS/seed-1.96-debug
    cp "$SUBJECTS/places-c" places
    printf '#!/bin/sh\n./places 5 && exec "%s"\n' "$seed" >script
    chmod +x script
    "$ASYNCREC" -l all --exe "$seed" --exe ./places --probe landing_pad \
        --probe seed::truth::Count::begin -o t.db ./script >out
    same "hits of landing_pad" 5 "$(sql t.db "SELECT count(*) FROM probe_hit h
        JOIN user_probe u ON u.probe_id = h.probe_id WHERE u.symbol = 'landing_pad'")"
    compare debug
    cp places again
    address=0x$(nm places | awk '$3 == "landing_pad" { print $1 }')
    refuses 'several of the files' "$ASYNCREC" --exe ./places --exe ./again \
        --probe "$address" -o t.db ./script
}

@test "the report shows hits, by future and place" {
    "$ASYNCREC" -l all --probe seed::truth::suspend -o t.db "$SUBJECTS/seed-1.96-debug" >out
    pending=$(truth seed::Pend 5)
    "$ASYNCREPORT" t.db >report
    grep -Eq "^ *$pending +[0-9]+ +seed::Pend +seed::truth::suspend +truth.rs:[0-9]+$" report ||
        fail "$(cat report)"
    "$ASYNCREPORT" --match nothing t.db probes >report
    same "rows of others" 1 "$(wc -l <report)"
    record seed-1.96-debug
    "$ASYNCREPORT" t.db >report
    ! grep -qi 'probe' report
}
