#!/bin/bash
# run.sh BUILD: what asyncrec costs on this machine, each figure beside what it is
# compared with, measured in turn (A B A B ...). BUILD is a build directory in which
# the target `subjects` was built. Needs root, bpftrace, time and libdw.
set -euo pipefail

build=$(realpath "$1")
bench=$(realpath "$(dirname "$0")")
asyncrec=$build/asyncrec
subjects=$build/subjects
work=$(mktemp -d)
others=()
trap '[ ${#others[@]} = 0 ] || kill "${others[@]}" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"

seconds() { # COMMAND...: wall time
    local start
    start=$(date +%s%N)
    "$@" >out 2>err || { cat err >&2; exit 1; }
    awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { printf "%.3f\n", ns / 1e9 }'
}

median() { # FILE
    sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# paired ROUNDS NAME_A COMMAND_A NAME_B COMMAND_B: medians and their ratio.
paired() {
    rm -f a b
    for _ in $(seq "$1"); do
        seconds bash -c "$3" >>a
        seconds bash -c "$5" >>b
    done
    awk -v a="$(median a)" -v b="$(median b)" -v na="$2" -v nb="$4" \
        'BEGIN { printf "  %s %.3f s, %s %.3f s, ratio %.2f\n", na, a, nb, b, a / b }'
}

echo "1. Resolving the release tokio server, against one pass of libdw over its DIEs"
cc -O2 -o walk_dies "$bench/walk_dies.c" -ldw
export XDG_CACHE_HOME=$work/cache
paired 5 "asyncrec --list" "$asyncrec --no-cache -l all --list $subjects/server-1.63-release" \
    "libdw pass" "./walk_dies $subjects/server-1.63-release"
paired 5 "asyncrec --list" "$asyncrec --no-cache -l all --list $subjects/server-1.63-release" \
    "cached" "$asyncrec -l all --list $subjects/server-1.63-release"

echo "2. A program of 5,000 async functions that runs 0.1 s, all of it: resolve, arm, run, disarm, write"
if [ ! -e "$build/many_sites" ]; then
    awk -v sites=5000 -f "$bench/many_sites.awk" >many.rs
    /usr/bin/rustc --edition 2021 -g -o "$build/many_sites" many.rs
fi
paired 5 "entries and exits" "$asyncrec --no-cache -o t.db $build/many_sites" \
    "entries only" "$asyncrec --no-cache --exits none -o t.db $build/many_sites"

echo "3. A recorded entry against a uprobe that bpftrace counts on the same instruction"
storm=$subjects/storm-1.96-release
# On one thread: the recorder has the other processor.
arguments="100000 4 1"
polls=$((4 * 100001))
"$asyncrec" --exits none -o t.db "$storm" $arguments >/dev/null 2>&1
sqlite3 t.db "SELECT '  program ' || name || ', ' || polls || ' polls' FROM poll_count WHERE polls > 0"
address=$(sqlite3 t.db "SELECT printf('0x%x', address) FROM probe WHERE kind = 'entry' LIMIT 1")
# Both within the traced program's own time, without start, arming and deriving.
cat >bpf.sh <<END
bpftrace --unsafe -q -e 'uprobe:$storm:$address { @ = count(); }' -c "$storm $arguments" 2>bpf.err
END
span() { # from the first to the last event
    sqlite3 t.db "SELECT (max(time_ns) - min(time_ns)) / 1e9 FROM event"
}
rm -f a b c
for _ in 1 2 3 4 5; do
    "$asyncrec" --exits none -o t.db "$storm" $arguments >/dev/null 2>&1
    span >>a
    bash bpf.sh >out
    awk '/^run/ { print $2 }' out >>b
    "$storm" $arguments | awk '/^run/ { print $2 }' >>c
done
awk -v a="$(median a)" -v b="$(median b)" -v c="$(median c)" -v polls=$polls 'BEGIN {
    printf "  asyncrec %.0f ns a poll, bpftrace %.0f ns, untraced %.0f ns, ratio %.2f\n",
        a / polls * 1e9, b / polls * 1e9, c / polls * 1e9, a / b }'

echo "4. A poll storm on two threads with default buffers"
"$asyncrec" -l all -o t.db "$subjects/storm-1.96-debug" 20000 >/dev/null 2>err
sed 's/^/  /' err

echo "5. The server, 1,000 requests: untraced, coroutines, every future"
rm -f a b c
for _ in 1 2 3; do
    seconds "$subjects/server-1.63-release" 250 4 >>c
    seconds "$asyncrec" -o t.db "$subjects/server-1.63-release" 250 4 >>a
    seconds "$asyncrec" -l all -o t.db "$subjects/server-1.63-release" 250 4 >>b
done
awk -v a="$(median a)" -v b="$(median b)" -v c="$(median c)" 'BEGIN {
    printf "  untraced %.2f s, async %.2f s (%.2f), all %.2f s (%.2f)\n", c, a, a / c, b, b / c }'

echo "6. 20,000 async functions: finding them, arming their entries"
if [ ! -e "$build/many_sites_20000" ]; then
    awk -v sites=20000 -f "$bench/many_sites.awk" >many.rs
    # By the older compiler it takes twice the time and memory.
    "$subjects/rustc-1.96" --edition 2021 -g -C panic=abort -C codegen-units=1 \
        -o "$build/many_sites_20000" many.rs
fi
rm -f a b
for _ in 1 2 3; do
    seconds /usr/bin/time -f %M -o memory "$asyncrec" --no-cache --list "$build/many_sites_20000" >>a
    cat memory >>b
done
# Once, and without exits: for each new probe the kernel looks through all there are.
# start_ns is when all is armed, on the clock of /proc/uptime.
read -r begin _ </proc/uptime
"$asyncrec" --no-cache --exits none -o t.db "$build/many_sites_20000" >/dev/null 2>&1
armed=$(sqlite3 t.db "SELECT value / 1e9 - $begin FROM meta WHERE key = 'start_ns'")
awk -v list="$(median a)" -v memory="$(median b)" -v armed="$armed" -v sites="$(grep -c '^0x' out)" \
    'BEGIN { printf "  %d sites: --list %.2f s and %d MB; armed after %.2f s, %.2f s more\n",
        sites, list, memory / 1000, armed, armed - list }'

echo "7. The longest that one of the tokio server's clients waits for an answer, ms"
cc -O2 -o latency "$bench/latency.c"
# longest NAME FROM TO: of the requests under way between these times.
longest() {
    awk -v from="$2" -v to="$3" '$1 + $2 >= from && $1 <= to && $2 > most { most = $2 }
        END { print most / 1e6 }' latencies >>"longest-$1"
}
for _ in 1 2 3 4 5; do
    "$subjects/server-1.63-release" 1000000 4 1 >server.out &
    server=$!
    others=($server)
    until grep -q port server.out; do sleep 0.1; done
    ./latency "$(awk '/^port/ { print $2 }' server.out)" >latencies &
    client=$!
    others+=($client)
    sleep 2
    rm -f t.db
    times=("$(date +%s%N)")
    "$asyncrec" -l all -o t.db -p $server 2>/dev/null &
    recorder=$!
    until [ -e t.db ]; do sleep 0.01; done
    times+=("$(date +%s%N)")
    sleep 2
    times+=("$(date +%s%N)")
    kill -TERM $recorder
    wait $recorder
    times+=("$(date +%s%N)")
    kill $client
    wait $client
    kill $server
    others=()
    longest untraced $((times[0] - 1900000000)) "${times[0]}"
    longest attaching "${times[0]}" "${times[1]}"
    longest recorded "${times[1]}" "${times[2]}"
    longest detaching "${times[2]}" "${times[3]}"
done
for phase in untraced attaching recorded detaching; do
    sort -n "longest-$phase" | awk -v phase=$phase \
        '{ v[NR] = $1 } END { printf "  %-9s median of %d rounds %.1f, worst %.1f\n", phase, NR, v[int((NR + 1) / 2)], v[NR] }'
done

echo "8. An entry trap that reads the states of the futures inside, against one that does not"
for depth in 4 16; do
    awk -v depth=$depth -f "$bench/deep.awk" >deep.rs
    /usr/bin/rustc --edition 2021 -O -g -o deep deep.rs
    rm -f a b
    for _ in 1 2 3 4 5; do
        "$asyncrec" -l tasks --exits none -o t.db ./deep 200000 >/dev/null 2>&1
        span >>a
        "$asyncrec" -l tasks --exits none -x deep::level -x deep::Yield -o t.db ./deep 200000 \
            >/dev/null 2>&1
        span >>b
    done
    "$asyncrec" -v -l tasks --list ./deep | sed -n 's/^ *in \([0-9]* words\),.*/  \1:/p' | tr '\n' ' '
    awk -v a="$(median a)" -v b="$(median b)" 'BEGIN {
        printf "with %.0f ns a poll, without %.0f ns, ratio %.2f\n", a / 2e5 * 1e9, b / 2e5 * 1e9, a / b }'
done

echo "9. Level exact: a poll of four futures inlined in one another, against that of the task"
awk -v depth=4 -f "$bench/deep.awk" >deep.rs
/usr/bin/rustc --edition 2021 -O -g -o deep deep.rs
rm -f a b
for _ in 1 2 3; do
    "$asyncrec" -l exact -b 64M -o t.db ./deep 50000 >/dev/null 2>&1
    span >>a
    sqlite3 t.db "SELECT count(*) FROM state_store s JOIN event e ON e.probe_id = s.probe_id" >stores
    "$asyncrec" -l tasks -o t.db ./deep 50000 >/dev/null 2>&1
    span >>b
done
awk -v a="$(median a)" -v b="$(median b)" -v stores="$(cat stores)" 'BEGIN {
    printf "  task %.0f ns a poll, exact %.0f ns: %.0f ns for each of %.1f stores\n",
        b / 5e4 * 1e9, a / 5e4 * 1e9, (a - b) / stores * 1e9, stores / 5e4 }'
