#!/usr/bin/env bats
# What asyncrec and asyncreport promise to the shell.

load helpers

# ends_with STATUS COMMAND...
ends_with() {
    local expected=$1 status=0
    shift
    "$@" >out 2>err || status=$?
    same "exit status of $*" "$expected" $status || fail "$(cat err)"
}

@test "a traced program's exit status is its own" {
    "$ASYNCREC" -o t.db "$SUBJECTS/seed-1.96-debug" >/dev/null
    ends_with 101 "$ASYNCREC" -o t.db "$SUBJECTS/storm-1.96-debug" not-a-number
}

@test "a signal that ends the program gives 128+N" {
    "$ASYNCREC" -o t.db "$SUBJECTS/storm-1.96-debug" 100000000 >out 2>err &
    recorder=$!
    traced=$(traced_by $recorder)
    kill -TERM "$traced"
    status=0
    wait $recorder || status=$?
    same "exit status" 143 $status
    [ "$(sql t.db 'SELECT count(*) FROM event')" -gt 0 ]
}

# traced_by PID: the child of PID, as soon as it runs the program.
traced_by() {
    local child
    for _ in $(seq 100); do
        for child in $(cat "/proc/$1/task/$1/children"); do
            if readlink "/proc/$child/exe" | grep -q "^$SUBJECTS/"; then
                sleep 0.3
                echo "$child"
                return 0
            fi
        done
        sleep 0.1
    done
    fail "no child of $1 runs a subject: $(cat err)"
}

@test "Ctrl-C to asyncrec ends the program and leaves a readable recording" {
    "$ASYNCREC" -l all -o t.db "$SUBJECTS/storm-1.96-debug" 100000000 >out 2>err &
    recorder=$!
    traced=$(traced_by $recorder)
    # bash starts background jobs with SIGINT ignored; SIGTERM is forwarded too.
    kill -TERM $recorder
    status=0
    wait $recorder || status=$?
    same "exit status" 143 $status
    [ ! -e "/proc/$traced" ]
    [ "$(sql t.db 'SELECT sum(polls) FROM poll_count')" -gt 0 ]
}

@test "127 for a program that is not there, 126 for one that cannot run" {
    ends_with 127 "$ASYNCREC" -o t.db ./absent
    same "lines on stderr" 1 "$(grep -c '^asyncrec: ' err)"
    ends_with 127 "$ASYNCREC" -o t.db absent-from-the-path
    cp "$SUBJECTS/seed-1.96-debug" unexecutable
    chmod -x unexecutable
    ends_with 126 "$ASYNCREC" -o t.db ./unexecutable
    same "lines on stderr" 1 "$(grep -c '^asyncrec: ' err)"
    [ ! -e t.db ]
}

@test "a program is found through PATH and gets its arguments as they are" {
    PATH=$SUBJECTS:$PATH
    "$ASYNCREC" -l all -o t.db -- storm-1.96-debug 7 3 >out
    same "polls of storm::task" 48 "$(truth storm::task 3)"
    same "recorded" 48 "$(sql t.db "SELECT polls FROM poll_count WHERE name = 'storm::task'")"
}

@test "stdin, stdout and stderr are the program's" {
    cp "$SUBJECTS/seed-1.96-debug" program
    cat >wrapper <<'END'
#!/bin/sh
cat
echo err >&2
exec ./program
END
    chmod +x wrapper
    printf 'a\nb' | "$ASYNCREC" --exe ./program -o t.db ./wrapper >out 2>err
    same "first lines" "a bexample" "$(head -n 2 out | cut -d ' ' -f 1 | xargs)"
    same "first line of stderr" err "$(head -n 1 err)"
    [ "$(sql t.db 'SELECT count(*) FROM event')" -gt 0 ]
}

@test "the default level records async functions" {
    "$ASYNCREC" -o t.db "$SUBJECTS/seed-1.96-debug" >out
    same "polls of seed::example" "$(truth seed::example 3)" \
        "$(sql t.db "SELECT polls FROM poll_count WHERE name = 'seed::example'")"
    same "traps of hand-written futures" 0 "$(sql t.db "
        SELECT count(*) FROM poll p JOIN future f ON f.id = p.future_id
        JOIN future_type t ON t.id = f.future_type_id
        WHERE t.kind = 'future' AND p.source = 'probe'")"
}

@test "-o defaults to trace.db, a second recording replaces the first" {
    "$ASYNCREC" "$SUBJECTS/seed-1.96-debug" >/dev/null
    "$ASYNCREC" "$SUBJECTS/storm-1.96-debug" 5 >/dev/null
    same "types of seed" 0 \
        "$(sql trace.db "SELECT count(*) FROM poll_count WHERE name LIKE 'seed::%'")"
    [ "$(sql trace.db "SELECT polls FROM poll_count WHERE name = 'storm::task'")" = 48 ]
}

@test "an existing recording survives a start that fails" {
    "$ASYNCREC" -o t.db "$SUBJECTS/seed-1.96-debug" >/dev/null
    before=$(sha256sum t.db)
    ends_with 127 "$ASYNCREC" -o t.db ./absent
    refuses 'async' "$ASYNCREC" -o t.db "$SUBJECTS/plain-c" exit 0
    same "t.db" "$before" "$(sha256sum t.db)"
}

@test "-m and -x choose futures by name" {
    "$ASYNCREC" -l all -m 'seed::sy' -o t.db "$SUBJECTS/seed-1.96-debug" >out
    same "-m" "seed::sy1 seed::sy2" \
        "$(sql t.db 'SELECT name FROM poll_count WHERE polls > 0 ORDER BY name' | xargs)"
    same "polls" "$(truth seed::sy1 3)" \
        "$(sql t.db "SELECT polls FROM poll_count WHERE name = 'seed::sy1'")"
    "$ASYNCREC" -l all -m '^seed::' -x 'sy[0-9]$' -x Pend -o t.db "$SUBJECTS/seed-1.96-debug" >out
    same "-x" "seed::Pool::get seed::example seed::main::{async_block#0} seed::rec::{async_block#0}" \
        "$(sql t.db 'SELECT name FROM poll_count WHERE polls > 0 ORDER BY name' | xargs)"
    refuses 'regex|regular expression' "$ASYNCREC" -m '(' -o t.db "$SUBJECTS/seed-1.96-debug"
    refuses 'match' "$ASYNCREC" -m 'no such future' -o t.db "$SUBJECTS/seed-1.96-debug"
}

@test "--list prints the sites and runs nothing" {
    ends_with 0 "$ASYNCREC" --list "$SUBJECTS/seed-1.96-debug"
    grep -q 'seed::example' out
    grep -Fq 'seed::main::{async_block#0}' out
    ! grep -q '^truth' out
    [ ! -e trace.db ]
    ends_with 0 "$ASYNCREC" -l all -m sy1 --list "$SUBJECTS/seed-1.96-debug"
    grep -q 'seed::sy1' out
    ! grep -q 'seed::sy2' out
}

@test "--list needs no privilege" {
    chmod 755 "$BATS_TEST_TMPDIR"
    cp "$ASYNCREC" /tmp/asyncrec-list-$$
    cp "$SUBJECTS/seed-1.96-debug" /tmp/seed-list-$$
    status=0
    setpriv --reuid 65534 --regid 65534 --clear-groups \
        /tmp/asyncrec-list-$$ --list /tmp/seed-list-$$ >out 2>err || status=$?
    rm -f /tmp/asyncrec-list-$$ /tmp/seed-list-$$
    same "exit status" 0 $status
    grep -q 'seed::example' out
}

@test "--help and --version go to stdout, a wrong option is refused" {
    ends_with 0 "$ASYNCREC" --help
    grep -q -- '--output' out
    same "stderr of --help" "" "$(cat err)"
    ends_with 0 "$ASYNCREC" --version
    grep -Eq '[0-9]+\.[0-9]+' out
    ends_with 0 "$ASYNCREPORT" --help
    grep -q -- '--sql' out
    refuses 'no-such-option' "$ASYNCREC" --no-such-option "$SUBJECTS/seed-1.96-debug"
    refuses 'program' "$ASYNCREC"
}

@test "-q says nothing on stderr" {
    ends_with 0 "$ASYNCREC" -q -o t.db "$SUBJECTS/seed-1.96-debug"
    same "stderr" "" "$(cat err)"
}

@test "--exits none still counts the polls" {
    ends_with 0 "$ASYNCREC" -l all --exits none -o t.db "$SUBJECTS/seed-1.96-debug"
    same "polls of seed::example" "$(truth seed::example 3)" \
        "$(sql t.db "SELECT polls FROM poll_count WHERE name = 'seed::example'")"
}

@test "asyncreport prints every view" {
    record seed-1.96-debug
    ends_with 0 "$ASYNCREPORT" t.db
    grep -q 'seed::example' out
    for view in summary futures tasks chains waits calls polls; do
        ends_with 0 "$ASYNCREPORT" t.db $view
        grep -q 'seed::' out || fail "$view: $(cat out)"
        same "stderr of $view" "" "$(cat err)"
    done
}

@test "asyncreport --sql, --format json and csv" {
    record seed-1.96-debug
    ends_with 0 "$ASYNCREPORT" --format csv --sql \
        "SELECT name, polls FROM poll_count WHERE name LIKE 'seed::sy%' ORDER BY name" t.db
    same "csv" "name,polls seed::sy1,9 seed::sy2,9" "$(tr -d '\r' <out | xargs)"
    ends_with 0 "$ASYNCREPORT" --format json t.db futures
    sqlite3 :memory: "SELECT json_valid(readfile('out'))" | grep -qx 1
    ends_with 0 "$ASYNCREPORT" --format csv t.db futures
    grep -q 'seed::example' out
}

@test "asyncreport reads a recording it may not write" {
    record seed-1.96-debug
    chmod 444 t.db
    before=$(sha256sum t.db)
    ends_with 0 "$ASYNCREPORT" t.db futures
    grep -q 'seed::example' out
    same "t.db" "$before" "$(sha256sum t.db)"
}
