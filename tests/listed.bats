#!/usr/bin/env bats
# What --list finds, against a count that knows nothing of asyncrec: llvm-dwarfdump and
# poll_functions.awk. Compared are places in the file, not numbers only.
#
# The table is executor x compiler x profile. The compilers are those that Debian 12
# packages: rustc 1.63 and, as rustc-web, 1.96. There is no package of 1.85.

load helpers

# follow_jumps FILE <COUNTED: a function that runs tasks and is nothing but a jump is listed
# at the place it leads to.
follow_jumps() {
    local place kind rest
    while IFS=$'\t' read -r place kind rest; do
        if [ "$kind" = task ] && [ "$(od -A n -t x1 -j $((place)) -N 1 "$1")" = " e9" ]; then
            place=$((place + 5 + $(od -A n -t d4 -j $((place + 1)) -N 4 "$1")))
        fi
        printf '0x%08x\t%s\t%s\n' "$place" "$kind" "$rest"
    done
}

# listed_as_counted FILE: the places are the same, and a poll is listed by its future, with
# the number of its inlined copies. (By its future may also be listed what runs tasks, if
# a poll is inlined there and nowhere else.) Prints a row of the table.
listed_as_counted() {
    readelf -lW "$1" >segments
    llvm-dwarfdump "$1" | awk -f "$BATS_TEST_DIRNAME/poll_functions.awk" segments - |
        follow_jumps "$1" | sort -u >counted
    "$ASYNCREC" -l all --list "$1" >list
    [ -s counted ] || fail "no poll function was counted in $1"
    cut -f 1 counted | uniq >places
    awk '/^0x/ { print $1 }' list | sort | diff places - >difference ||
        fail "$1 (< counted, > listed): $(cat difference; grep -f <(grep -o '0x.*' difference) counted list)"
    awk '$2 != "task" { print $1, $3 }' counted | uniq >polls
    awk 'NR == FNR { poll[$1]; next } $1 in poll { print $1, $5 }' polls list | sort |
        diff polls - >difference || fail "$1, inlined copies (< counted, > listed): $(cat difference)"
    awk -v name="$(basename "$1")" '{ n[$2]++ } END { printf "# %-28s %3d poll %3d resume %3d task\n",
        name, n["poll"], n["resume"], n["task"] }' counted >&3
}

# each_build SUBJECT "KIND...": by both compilers, both profiles; each KIND is there.
each_build() {
    local version profile kind
    for version in 1.63 1.96; do
        for profile in debug release; do
            listed_as_counted "$SUBJECTS/$1-$version-$profile"
            for kind in $2; do
                grep -q $'\t'"$kind"$'\t' counted || fail "$1-$version-$profile has no $kind"
            done
        done
    done
}

@test "sites listed are those counted: tokio, threads" {
    each_build server "poll task"
}

@test "sites listed are those counted: tokio, LocalSet" {
    each_build tokio_local "poll task"
}

@test "sites listed are those counted: smol" {
    each_build smol_tasks "poll task"
}

@test "sites listed are those counted: async-std" {
    each_build async_std_tasks "poll task"
}

@test "sites listed are those counted: futures" {
    each_build futures_tasks "poll"
}

@test "sites listed are those counted: executors of one's own" {
    each_build seed ""
    each_build names ""
}

@test "sites listed are those counted: shared libraries" {
    for version in 1.63 1.96; do
        for profile in debug release; do
            listed_as_counted "$SUBJECTS/library-$version-$profile/opened.so"
            listed_as_counted "$SUBJECTS/library-$version-$profile/liblibrary.so"
        done
    done
}

@test "applications as Debian strips them are refused with the reason" {
    for application in /usr/bin/sccache /usr/bin/sq /usr/lib/podman/aardvark-dns; do
        # They do hold asynchronous code: the text of its panics says so.
        grep -q 'async fn` resumed' "$application"
        refuses 'no symbols; build it with .*or install its separate debug file' \
            "$ASYNCREC" --list "$application"
        refuses 'no symbols' "$ASYNCREC" -o t.db "$application" --help
        [ ! -e t.db ]
    done
}
