#!/usr/bin/env bats
# Recording a process that runs already.

load helpers

teardown() {
    [ -z "$traced" ] || kill -KILL "$traced" 2>/dev/null || true
    [ -z "$recorder" ] || kill -KILL "$recorder" 2>/dev/null || true
}

# start_waiting PROGRAM [ARG...]: starts it; it waits for a line on descriptor 7.
start_waiting() {
    mkfifo line
    STORM_WAITS=1 "$@" <line >out &
    traced=$!
    exec 7>line
    until grep -q ready out; do sleep 0.05; done
}

# attach [OPTION...]: records $traced in the background; returns when armed.
attach() {
    "$ASYNCREC" -l all -o t.db "$@" -p "$traced" 2>err 7>&- &
    recorder=$!
    until [ -e t.db ] || ! kill -0 $recorder 2>/dev/null; do sleep 0.05; done
}

@test "threads made after the attach are recorded to the last poll" {
    start_waiting "$SUBJECTS/storm-1.96-debug" 500 4 8
    attach
    echo >&7
    wait $traced
    status=0
    wait $recorder || status=$?
    same "exit status" 0 $status || fail "$(cat err)"
    compare debug
    same "threads that polled" 8 "$(sql t.db 'SELECT count(DISTINCT tid) FROM poll')"
}

@test "-d ends the recording and the program goes on" {
    start_waiting "$SUBJECTS/storm-1.96-debug" 100000000
    echo >&7
    status=0
    attach -d 0.5
    wait $recorder || status=$?
    same "exit status" 0 $status || fail "$(cat err)"
    kill -0 $traced
    same "probes left" 0 "$(grep -c "asyncrec_${recorder}_" /sys/kernel/tracing/uprobe_events || true)"
    same "half a second to one" 1 "$(sql t.db "SELECT
        (SELECT value FROM meta WHERE key = 'end_ns') - (SELECT value FROM meta WHERE key = 'start_ns')
        BETWEEN 500000000 AND 1500000000")"
    [ "$(sql t.db "SELECT polls > 100 FROM poll_count WHERE name = 'storm::task'")" = 1 ]
    "$ASYNCREPORT" t.db >report
    grep -q 'storm::task' report
}

@test "SIGTERM ends the recording and the program goes on" {
    start_waiting "$SUBJECTS/storm-1.96-debug" 100000000
    echo >&7
    attach
    kill -TERM $recorder
    status=0
    wait $recorder || status=$?
    same "exit status" 0 $status || fail "$(cat err)"
    kill -0 $traced
    [ "$(sql t.db "SELECT count(*) > 0 FROM poll_count WHERE polls > 0")" = 1 ]
}

@test "-d with a program of one's own: it runs on to its end" {
    "$ASYNCREC" -l all -d 0.2 -o t.db "$SUBJECTS/storm-1.63-release" 20000 >out 2>err
    same "polls the program made" 160008 "$(truth storm::task 3)"
    same "not all were recorded" 1 \
        "$(sql t.db "SELECT polls < 160008 FROM poll_count WHERE name = 'storm::task'")"
}

@test "a program whose file was deleted or replaced is probed as it runs" {
    cp "$SUBJECTS/storm-1.63-debug" program
    start_waiting ./program 100
    rm program
    cp "$SUBJECTS/seed-1.96-debug" program
    attach
    echo >&7
    wait $traced
    wait $recorder
    compare debug
}

@test "a process that is not there, or has no program" {
    refuses 'process' "$ASYNCREC" -o t.db -p 4194304
    refuses 'kernel thread' "$ASYNCREC" -o t.db -p 2
    refuses 'not a process id' "$ASYNCREC" -o t.db -p me
    refuses 'not both' "$ASYNCREC" -o t.db -p 1 "$SUBJECTS/seed-1.96-debug"
    refuses 'seconds' "$ASYNCREC" -d soon -o t.db "$SUBJECTS/seed-1.96-debug"
    [ ! -e t.db ]
}
