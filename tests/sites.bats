#!/usr/bin/env bats
# What is found: registers and names.

load helpers

# The program prints the address of each polled future and counts its polls in the
# waker's data pointer: what the traps read must be the same, poll by poll.
registers() { # SUBJECT "TYPES WHOSE RESULT IS NOT KNOWN"
    record "$1"
    nothing_lost
    grep '^self' out | cut -f 2,3 >expected
    sql t.db "SELECT t.name, e.self FROM event e JOIN probe p ON p.id = e.probe_id
        JOIN future_type t ON t.id = p.future_type_id
        WHERE p.kind = 'entry' AND t.name GLOB 'registers::[a-z]*' ORDER BY e.time_ns" >got
    diff expected got
    [ "$(wc -l <expected)" = 66 ]
    same "wakers that are not the number of the poll" 0 "$(sql t.db "
        SELECT count(*) FROM (SELECT waker_data, row_number() OVER (ORDER BY time_ns) AS number
            FROM event e JOIN probe p ON p.id = e.probe_id
            JOIN future_type t ON t.id = p.future_type_id
            WHERE p.kind = 'entry' AND t.name GLOB 'registers::[a-z]*')
        WHERE waker_data <> number")"
    same "types whose result was told wrong" "" "$(sql t.db "
        SELECT name FROM poll_count WHERE name GLOB 'registers::[a-z]*' AND polls > 0
        AND (ready > 1 OR pending > 1)" | xargs)"
    # What optimised code may not tell is not guessed: NULL.
    same "types whose result was not told" "$2" "$(sql t.db "
        SELECT name FROM poll_count WHERE name GLOB 'registers::[a-z]*' AND polls > 0
        AND (ready <> 1 OR pending <> 1)" | xargs)"
}

@test "self, waker and result of every shape of poll, rustc 1.63, debug" {
    registers registers-1.63-debug ""
}

@test "self, waker and result of every shape of poll, rustc 1.63, release" {
    registers registers-1.63-release ""
}

@test "self, waker and result of every shape of poll, rustc 1.96, debug" {
    registers registers-1.96-debug ""
}

@test "self, waker and result of every shape of poll, rustc 1.96, release" {
    # LLVM drops the half of the result that nobody uses.
    registers registers-1.96-release registers::duration
}

@test "names and places are those of the source" {
    for version in 1.63 1.96; do
        "$ASYNCREC" -l all --list "$SUBJECTS/names-$version-debug" >list
        grep -n '// name: ' "$SOURCES/names.rs" >marks
        [ "$(wc -l <marks)" = 9 ]
        while IFS= read -r mark; do
            line=${mark%%:*}
            name=${mark#*// name: }
            place=$(grep -F " $name (names.rs:" list | sed 's/.*(names.rs:\([0-9]*\))$/\1/')
            [ -n "$place" ] || fail "$version: no $name in $(cat list)"
            # A hand-written future's place is its fn poll, inside the impl.
            [ "$place" -gt "$line" ] && [ "$place" -le $((line + 5)) ] ||
                fail "$version: $name is at $place, not behind $line"
        done <marks
    done
}

@test "a poll is seen also where its unit only declares the types of its parameters" {
    # rustc 1.63 does so with Pin<&mut seed::Pend> where that is inlined.
    record seed-1.63-release
    [ "$(sql t.db "SELECT inlined FROM future_type WHERE name = 'seed::Pend'")" -gt 1 ]
    [ "$(sql t.db "SELECT count(*) FROM inlined_poll i JOIN future_type t
        ON t.id = i.future_type_id WHERE t.name = 'seed::Pend'")" -gt 1 ]
}
