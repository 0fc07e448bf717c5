#!/usr/bin/env bats
# Who woke whom, as often as the programs themselves count it (subjects/runtimes/src/bells.rs).

load helpers

# of NAME: the task that polls a future of that name, or is called so, as SQL.
of() {
    echo "(SELECT f.task_id FROM future f JOIN future_type t ON t.id = f.future_type_id
        WHERE t.name = '$1' UNION SELECT id FROM task WHERE name LIKE '%$1>')"
}

# made BY CONDITION: wakes by value and by reference, by that task or from outside.
made() {
    local by="w.by_task_id IN $(of "$1")"
    [ "$1" != outside ] || by="w.by_task_id IS NULL"
    sql t.db "SELECT coalesce(sum(w.by_value), 0), coalesce(sum(NOT w.by_value), 0)
        FROM wake w JOIN future f ON f.id = w.future_id
        JOIN future_type t ON t.id = f.future_type_id WHERE $by AND $2"
}

# equals_truth LEVEL SUBJECT [ARG...]: every line that the program printed. Where only the
# executor's functions trap it is not known which polls were the last ones.
equals_truth() {
    local level=$1 subject=$2 status=0 word a b c d
    shift 2
    "$ASYNCREC" -l "$level" -o t.db -- "$SUBJECTS/$subject" "$@" >out 2>err || status=$?
    [ $status = 0 ] || fail "asyncrec $subject ended with $status: $(cat err)" || return 1
    nothing_lost || return 1
    same "$subject: kinds of lines" "effects lost wakes" \
        "$(cut -f 1 out | grep -v nested | sort -u | xargs)" || return 1
    echo "$subject $*, level $level"
    while IFS=$'\t' read -r word a b c d; do
        case $word in
        wakes) same "$a wakes $b" "$c"$'\t'"$d" \
            "$(made "$a" "NOT w.nested AND w.task_id IN $(of "$b")")" ;;
        nested) same "$a wakes $b" "$c"$'\t'"$d" "$(made "$a" "w.nested AND t.name = '$b'")" ;;
        effects) [ "$level $b" = "tasks finished" ] ||
            same "$a, $b" "$c" "$(sql t.db "SELECT count(*) FROM wake w
                WHERE w.task_id IN $(of "$a") AND w.effect = '$b'")" ;;
        lost) [ $level = tasks ] ||
            same "nothing can wake $a" "$(sql t.db "SELECT $(of "$a")")" \
                "$(sql t.db "SELECT group_concat(id) FROM task WHERE waker_lost")" ;;
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
