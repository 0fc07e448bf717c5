#!/usr/bin/env bats
# Who woke whom, as often as the programs themselves count it (subjects/runtimes/src/bells.rs).

load helpers

# made BY WOKEN: wakes by value and by reference, of a task or of a future inside one.
made() {
    sql t.db "SELECT coalesce(sum(w.by_value), 0), coalesce(sum(NOT w.by_value), 0)
        FROM wake w LEFT JOIN task by ON by.id = w.by_task_id
        JOIN future f ON f.id = w.future_id JOIN future_type t ON t.id = f.future_type_id
        JOIN task k ON k.id = w.task_id
        WHERE coalesce(by.name, 'outside') = '$1' AND (k.name = '$2' OR t.name = '$2')"
}

# equals_truth LEVEL SUBJECT [ARG...]: every line that the program printed.
equals_truth() {
    local level=$1 subject=$2 status=0 word a b c d
    shift 2
    "$ASYNCREC" -l "$level" -o t.db -- "$SUBJECTS/$subject" "$@" >out 2>err || status=$?
    [ $status = 0 ] || fail "asyncrec $subject ended with $status: $(cat err)" || return 1
    nothing_lost || return 1
    same "$subject: kinds of lines" "effects lost wakes" "$(cut -f 1 out | sort -u | xargs)" ||
        return 1
    while IFS=$'\t' read -r word a b c d; do
        case $word in
        wakes) same "$subject $* at level $level: $a wakes $b" "$c"$'\t'"$d" "$(made "$a" "$b")" ;;
        effects) same "$subject $* at level $level: $a, $b" "$c" "$(sql t.db "
            SELECT count(*) FROM wake w JOIN task k ON k.id = w.task_id
            WHERE k.name = '$a' AND w.effect = '$b'")" ;;
        lost) same "$subject $* at level $level: nothing can wake it" "$a" "$(sql t.db "
            SELECT name FROM task WHERE waker_lost")" ;;
        esac || return 1
    done <out
}

@test "wakes on executors of the program's own are as many as it made, at every level" {
    for version in 1.63 1.96; do
        for profile in debug release; do
            for level in tasks async all; do
                equals_truth $level wakes-$version-$profile
                equals_truth $level wakes-$version-$profile lend
            done
        done
    done
}
