#!/usr/bin/env bats
# asyncrec leaves no probe behind, and touches nobody else's.

load helpers

EVENTS=/sys/kernel/tracing/uprobe_events

teardown() {
    if grep -q "p:foreign_$$/" $EVENTS; then
        echo "-:foreign_$$/theirs" >>$EVENTS
    fi
    [ -z "$recorder" ] || kill -KILL "$recorder" 2>/dev/null || true
    [ -z "$traced" ] || kill -KILL "$traced" 2>/dev/null || true
}

foreign_event() {
    echo "p:foreign_$$/theirs $SUBJECTS/plain-c:0x1000" >>$EVENTS
}

# start_recording: a long one in the background; sets recorder and traced.
start_recording() {
    "$ASYNCREC" -l all -o "$1" "$SUBJECTS/storm-1.96-debug" 100000000 >out 2>err &
    recorder=$!
    traced=
    for _ in $(seq 100); do
        traced=$(cat "/proc/$recorder/task/$recorder/children" | xargs)
        if [ -n "$traced" ] && grep -q "asyncrec_${recorder}_" $EVENTS; then
            sleep 0.3
            return 0
        fi
        sleep 0.1
    done
    fail "the recording did not start: $(cat err)"
}

@test "no event is left after a normal end" {
    foreign_event
    record seed-1.96-debug
    same "events of asyncrec" 0 "$(grep -c 'asyncrec_' $EVENTS || true)"
    grep -q "foreign_$$/theirs" $EVENTS
}

@test "no event is left after a program ended by a signal" {
    start_recording t.db
    kill -KILL "$traced"
    status=0
    wait "$recorder" || status=$?
    same "exit status" 137 $status
    same "events of asyncrec" 0 "$(grep -c "asyncrec_${recorder}_" $EVENTS || true)"
}

@test "events of a killed asyncrec go with the next start" {
    foreign_event
    start_recording killed.db
    dead=$recorder
    kill -KILL "$dead"
    wait "$dead" || true
    kill -KILL "$traced" 2>/dev/null || true
    grep -q "asyncrec_${dead}_" $EVENTS
    record seed-1.96-debug
    compare debug
    same "events of the dead asyncrec" 0 "$(grep -c "asyncrec_${dead}_" $EVENTS || true)"
    grep -q "foreign_$$/theirs" $EVENTS
}

@test "a recording beside a running one takes nothing from it" {
    start_recording first.db
    record seed-1.96-debug
    compare debug
    grep -q "asyncrec_${recorder}_" $EVENTS
    kill -TERM "$traced"
    wait "$recorder" || true
    [ "$(sql first.db "SELECT polls > 0 FROM poll_count WHERE name = 'storm::task'")" = 1 ]
    same "polls of seed in the first recording" 0 \
        "$(sql first.db "SELECT count(*) FROM poll_count WHERE name LIKE 'seed::%'")"
}

@test "a killed asyncrec leaves a recording that can be read or is refused cleanly" {
    start_recording killed.db
    kill -KILL "$recorder"
    wait "$recorder" || true
    kill -KILL "$traced" 2>/dev/null || true
    status=0
    "$ASYNCREPORT" killed.db >out 2>err || status=$?
    [ $status -lt 128 ] || fail "asyncreport died with $status"
    [ $status = 0 ] || grep -q '^asyncreport: ' err
    "$ASYNCREC" -o killed.db "$SUBJECTS/seed-1.96-debug" >out
    same "polls of the next recording there" "$(truth seed::example 3)" \
        "$(sql killed.db "SELECT polls FROM poll_count WHERE name = 'seed::example'")"
    same "files left" "killed.db" "$(ls killed.db* | xargs)"
}

@test "a disk that fills up ends the recording, not the program" {
    status=0
    with_disk 1m "'$ASYNCREC' -l all -o disk/t.db '$SUBJECTS/storm-1.96-debug' 5000 >out 2>err ||
        { status=\$?; '$ASYNCREPORT' disk/t.db >report; exit \$status; }" || status=$?
    same "exit status" 125 $status
    same "lines on stderr" 1 "$(wc -l <err)"
    grep -q 'full' err
    same "polls the program made" 40008 "$(truth storm::task 3)"
    grep -q 'recorder was stopped' report
    same "probes left" 0 "$(grep -c 'asyncrec_' /sys/kernel/tracing/uprobe_events || true)"
}
