#!/usr/bin/env bats
# A program that catches panics must run under the probes as it does without.

load helpers

unharmed() {
    "$SUBJECTS/$1" >untraced
    record "$1"
    cmp untraced out
    grep -q '^panicked tasks 7$' out
}

@test "panics are caught as without probes, rustc 1.63 debug" {
    unharmed panics-1.63-debug
}

@test "panics are caught as without probes, rustc 1.63 release" {
    unharmed panics-1.63-release
}

@test "panics are caught as without probes, rustc 1.96 debug" {
    unharmed panics-1.96-debug
}

@test "panics are caught as without probes, rustc 1.96 release" {
    unharmed panics-1.96-release
}

@test "a panicked future ends panicked, a caught panic leaves its parent ready" {
    for subject in panics-1.63-debug panics-1.96-debug; do
        record $subject
        for name in first second parent caught catcher survivor; do
            same "$subject: panicked futures of $name" "$(truth panics::$name 6)" "$(sql t.db "
                SELECT count(*) FROM future f JOIN future_type t ON t.id = f.future_type_id
                WHERE t.name = 'panics::$name' AND f.outcome = 'panicked'")"
            same "$subject: ready futures of $name" "$(truth panics::$name 4)" "$(sql t.db "
                SELECT count(*) FROM future f JOIN future_type t ON t.id = f.future_type_id
                WHERE t.name = 'panics::$name' AND f.outcome = 'ready'")"
        done
    done
}

@test "after a panic the next poll on that thread is no child of the panicked one" {
    record panics-1.96-debug
    same "children of panicked polls of first" 0 "$(sql t.db "
        SELECT count(*) FROM poll p JOIN poll up ON up.id = p.parent_id
        JOIN future f ON f.id = up.future_id JOIN future_type t ON t.id = f.future_type_id
        WHERE t.name = 'panics::first'")"
    [ "$(sql t.db "SELECT count(*) FROM poll_count WHERE name = 'panics::first'")" = 1 ]
}
