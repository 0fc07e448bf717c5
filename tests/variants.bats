#!/usr/bin/env bats
# The same program in the ways people build it. Each is recorded and compared with
# its own counts; what is marked exact must be equal.

load helpers

# exact_as PROFILE SHARE VARIANT: at least SHARE of its functions are exact.
exact_as() {
    local version exact
    for version in 1.63 1.96; do
        [ -e "$SUBJECTS/variant-$3-$version" ] || continue
        record "variant-$3-$version"
        compare "$1" || fail "$3-$version"
        exact=$(sql t.db "SELECT count(*) FROM poll_count WHERE exact AND polls > 0 AND name LIKE '%seed::%'")
        [ "$exact" -ge "$2" ] || fail "$3-$version: only $exact exact"
    done
}

@test "opt-level 1" {
    exact_as release 4 O1
}

@test "opt-level 2" {
    exact_as release 4 O2
}

@test "opt-level 3" {
    exact_as release 4 O3
}

@test "opt-level s, with entries that no uprobe can be on" {
    exact_as release 5 Os
}

@test "opt-level z" {
    exact_as release 5 Oz
}

@test "fat LTO, one codegen unit" {
    exact_as release 4 fat_lto
}

@test "thin LTO" {
    exact_as release 4 thin_lto
}

@test "panic=abort" {
    exact_as release 4 abort
}

@test "a static program" {
    exact_as debug 9 static
}

@test "v0 mangling, debug" {
    exact_as debug 9 v0
}

@test "v0 mangling, optimised" {
    exact_as release 4 v0_O3
}

@test "debug information split into .dwo files" {
    [ -e "$SUBJECTS/variant-unpacked-1.96" ]
    exact_as debug 9 unpacked
}

@test "debug information compressed with zlib" {
    exact_as debug 9 zlib
    exact_as debug 9 zlib-gnu
}

@test "debug information in a file of its own, found by .gnu_debuglink" {
    exact_as debug 9 debuglink
}

@test "debug information in a file of its own, found by build-id" {
    # A name that no link leads to; what is found is found by /usr/lib/debug/.build-id.
    id=$(readelf -n "$SUBJECTS/seed-1.96-debug" | sed -n 's/.*Build ID: //p')
    place=/usr/lib/debug/.build-id/${id:0:2}
    mkdir -p "$place"
    strip -o program "$SUBJECTS/seed-1.96-debug"
    refuses 'debug information' "$ASYNCREC" -o t.db ./program
    cp "$SUBJECTS/debuglink-1.96.debug" "$place/${id:2}.debug"
    status=0
    "$ASYNCREC" -l all -o t.db ./program >out 2>err || status=$?
    rm "$place/${id:2}.debug"
    same "exit status" 0 $status || fail "$(cat err)"
    compare debug
}

# by_symbols PROGRAM: recorded with counts that are lower bounds.
by_symbols() {
    local status=0
    "$ASYNCREC" -l all -o t.db "$1" >out 2>err || status=$?
    same "exit status" 0 $status || fail "$(cat err)"
    grep -q 'debug = 2' err
    same "rows that claim to be exact" 0 "$(sql t.db 'SELECT count(*) FROM poll_count WHERE exact')"
    same "names of the compiler" 0 \
        "$(sql t.db "SELECT count(*) FROM poll_count WHERE name LIKE '%{{%' OR name LIKE '%GenFuture%'")"
}

@test "without debug information: counts by symbols" {
    strip -g -o program "$SUBJECTS/storm-1.96-debug"
    by_symbols ./program
    same "storm::task" "$(truth storm::task 3)"$'\t'"$(truth storm::task 5)" \
        "$(sql t.db "SELECT polls, pending FROM poll_count WHERE name = 'storm::task'")"
    same "storm::Yield" "$(truth storm::Yield 3)" \
        "$(sql t.db "SELECT polls FROM poll_count WHERE name = 'storm::Yield'")"
    same "polls of storm::Yield outside storm::task" 0 "$(sql t.db "SELECT count(*) FROM await_chain
        WHERE chain LIKE '%storm::Yield' AND chain <> 'storm::task > storm::Yield'")"
    strip -g -o program "$SUBJECTS/seed-1.96-debug"
    by_symbols ./program
    for name in seed::example seed::sy1 seed::sy2 seed::Pool::get; do
        same "$name" "$(truth $name 3)" \
            "$(sql t.db "SELECT polls FROM poll_count WHERE name = '$name'")"
    done
}

@test "without debug information, optimised: what has code of its own" {
    strip -g -o program "$SUBJECTS/storm-1.96-release"
    by_symbols ./program
    same "storm::task" "$(truth storm::task 3)" \
        "$(sql t.db "SELECT polls FROM poll_count WHERE name = 'storm::task'")"
}

@test "line tables only: counts by symbols" {
    for version in 1.63 1.96; do
        by_symbols "$SUBJECTS/variant-line_tables-$version"
        same "seed::Pend" "$(truth seed::Pend 3)" \
            "$(sql t.db "SELECT sum(polls) FROM poll_count WHERE name = 'seed::Pend'")"
    done
}

@test "what cannot be read is refused with the reason" {
    for version in 1.63 1.96; do
        refuses 'compressed with zstd' "$ASYNCREC" -o t.db "$SUBJECTS/variant-zstd-$version"
    done
    refuses 'no symbols' "$ASYNCREC" -o t.db "$SUBJECTS/seed-stripped"
}
