# What the bats files share. ASYNCREC, ASYNCREPORT and SUBJECTS come from ctest.

: "${ASYNCREC:?}" "${ASYNCREPORT:?}" "${SUBJECTS:?}"
SOURCES=$BATS_TEST_DIRNAME/subjects

# No test finds what another one, or the user, has left in the cache.
export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

fail() {
    printf '%s\n' "$*" >&2
    return 1
}

# sql DB QUERY: rows, columns separated by tabs.
sql() {
    sqlite3 -batch -noheader -separator $'\t' "$1" "$2"
}

# same WHAT EXPECTED ACTUAL
same() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# record SUBJECT [ARG...]: leaves t.db, out and err in the current directory.
record() {
    local subject=$1 status=0
    shift
    "$ASYNCREC" -l all -o t.db -- "$SUBJECTS/$subject" "$@" >out 2>err || status=$?
    [ $status = 0 ] || fail "asyncrec $subject ended with $status: $(cat err)"
}

nothing_lost() {
    same "lost events" 0 "$(sql t.db 'SELECT coalesce(sum(count), 0) FROM lost')"
}

# compare debug|release: the program's own counts in `out` against t.db. Every
# exact row must be equal; where the result of a poll could not be told, which the counts
# show, those of its results must not exceed the truth. A debug build inlines nothing: each truth line must
# be there and exact. In a release build an inexact row must not exceed the truth.
compare() {
    local profile=$1 wrong=0 compared=0 word name polls ready pending panicked row
    nothing_lost || return 1
    while IFS=$'\t' read -r word name polls ready pending panicked; do
        [ "$word" = truth ] || continue
        row=$(sql t.db "SELECT exact, polls, ready, pending, panicked
                        FROM poll_count WHERE name = '$name'")
        if [ "$(sql t.db "SELECT exact AND polls = $polls
                AND ready + pending + panicked < polls AND ready <= $ready
                AND pending <= $pending AND panicked <= $panicked
                FROM poll_count WHERE name = '$name'")" = 1 ]; then
            compared=$((compared + 1))
            continue
        fi
        if [ -z "$row" ]; then
            [ "$profile" = release ] && continue
            echo "$name: no row" >&2
            wrong=1
            continue
        fi
        compared=$((compared + 1))
        if [ "${row%%$'\t'*}" = 1 ]; then
            same "$name: polls ready pending panicked" \
                "$polls"$'\t'"$ready"$'\t'"$pending"$'\t'"$panicked" "${row#*$'\t'}" || wrong=1
        elif [ "$profile" = debug ]; then
            echo "$name: not exact in a debug build" >&2
            wrong=1
        elif [ "$(sql t.db "SELECT polls <= $polls FROM poll_count WHERE name = '$name'")" != 1 ]; then
            echo "$name: more polls than the program made ($row, truth $polls)" >&2
            wrong=1
        fi
    done <out
    [ $compared -gt 0 ] || fail "nothing was compared"
    [ $wrong = 0 ] || fail "recording differs from the program's own counts"
}

# truth NAME COLUMN: from the program's own counts in `out` (3 polls, 4 ready,
# 5 pending, 6 panicked).
truth() {
    awk -F '\t' -v name="$1" -v column="$2" '$1 == "truth" && $2 == name { print $column }' out
}

# line FILE MARK: the line of FILE that carries the comment `// await: MARK`.
line() {
    local number
    number=$(grep -n "// await: $2\$" "$SOURCES/$1" | cut -d : -f 1)
    [ -n "$number" ] || fail "$1 has no line marked $2"
    echo "$number"
}

# refuses TEXT COMMAND...: the command must end with 125 and explain itself in
# one line on stderr that begins with `asyncrec: ` and matches TEXT.
refuses() {
    local text=$1 status=0
    shift
    "$@" >refused.out 2>refused.err || status=$?
    same "exit status" 125 $status || fail "$(cat refused.err)" || return 1
    same "lines on stderr" 1 "$(wc -l <refused.err)" || fail "$(cat refused.err)" || return 1
    grep -q "^asyncrec: " refused.err || fail "stderr: $(cat refused.err)" || return 1
    grep -Eqi -- "$text" refused.err || fail "stderr does not say '$text': $(cat refused.err)"
}

# with_disk SIZE COMMAND: runs COMMAND with a disk of that size at ./disk.
with_disk() {
    mkdir -p disk
    unshare -m sh -c "mount -t tmpfs -o size=$1 none disk && ( $2 )"
}
