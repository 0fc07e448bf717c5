#!/usr/bin/env bats
# The files that asyncreport writes, and stretches of time.

load helpers

# refused TEXT ARG...: asyncreport must end with 1 and one line that matches TEXT.
refused() {
    local text=$1 status=0
    shift
    "$ASYNCREPORT" "$@" >refused.out 2>refused.err || status=$?
    same "exit status of $*" 1 $status || return 1
    same "lines on stderr of $*" 1 "$(wc -l <refused.err)" || return 1
    grep -Eq -- "^asyncreport: .*$text" refused.err || fail "stderr of $*: $(cat refused.err)"
}

# attributes FILE XPATH: the values of these attributes, one a line.
attributes() {
    xmllint --xpath "$2" "$1" | sed -E 's/^ *[a-z-]+="(.*)"$/\1/'
}

# frames FILE: depth, begin, value, and x and width of the rectangle of each frame.
frames() {
    local frame='//*[@class="frame"]'
    paste <(attributes "$1" "$frame/@data-depth") <(attributes "$1" "$frame/@data-at") \
        <(attributes "$1" "$frame/@data-value") <(attributes "$1" "$frame/*/@x[../@width]") \
        <(attributes "$1" "$frame/*/@width")
}

# title FILE LABEL: the hover text of the first frame whose label begins so.
title() {
    xmllint --xpath \
        "string((//*[starts-with(@data-label, '$2')])[1]/*[local-name()='title'])" "$1"
}

# flame SUBJECT BY COLUMN: frames are the chains, each as wide as COLUMN of await_chain
# is for it and all chains below it.
flame() {
    "$ASYNCREPORT" --flame f.svg --by "$2" t.db >out
    same "stdout" "" "$(cat out)"
    xmllint --noout f.svg
    frames f.svg >frames
    same "$1 by $2: depth and value of each frame" "$(sql t.db "
        SELECT 0, sum($3) FROM await_chain UNION ALL
        SELECT depth, total FROM (
            SELECT a.depth, a.id, (SELECT sum($3) FROM await_chain b WHERE b.chain = a.chain
                OR substr(b.chain, 1, length(a.chain) + 3) = a.chain || ' > ') AS total
            FROM await_chain a)
        WHERE total > 0" | sort)" "$(cut -f 1,3 frames | sort)"
    awk -v margin=10 -v width=1180 '
        NR == 1 { total = $3 }
        function differs(a, b) { return a - b > 0.00001 || b - a > 0.00001 }
        differs($4, margin + $2 * width / total) || differs($5, $3 * width / total) {
            print "not to scale: " $0; wrong = 1 }
        # The frame below is the last one that is a level lower.
        $1 > 0 && ($2 < begin[$1 - 1] || $2 + $3 > end[$1 - 1] || $2 < end[$1]) {
            print "not above its parent, or over its neighbour: " $0; wrong = 1 }
        { begin[$1] = $2; end[$1] = $2 + $3 }
        END { exit wrong }' frames
}

@test "flame: widths are what SQL says, by wait, busy time and polls" {
    for subject in seed-1.96-debug panics-1.96-debug; do
        record $subject
        flame $subject wait wait_ns
        same "all waits" "$(sql t.db 'SELECT sum(wait_ns) FROM poll WHERE NOT child_pending')" \
            "$(head -n 1 frames | cut -f 3)"
        flame $subject busy self_ns
        same "all busy time" "$(sql t.db 'SELECT sum(self_ns) FROM poll')" \
            "$(head -n 1 frames | cut -f 3)"
        flame $subject polls polls
        same "all polls" "$(sql t.db 'SELECT count(*) FROM poll')" \
            "$(head -n 1 frames | cut -f 3)"
    done
}

@test "flame: wait is what it is by, if nothing else is said" {
    record seed-1.96-debug
    "$ASYNCREPORT" --flame a.svg t.db
    "$ASYNCREPORT" --flame b.svg --by wait t.db
    cmp a.svg b.svg
}

@test "flame: hover text has the name, the await line and the exact value" {
    record seed-1.96-debug
    "$ASYNCREPORT" --flame f.svg t.db
    title f.svg seed::sy2 >text
    same "name" seed::sy2 "$(head -n 1 text)"
    grep -q "^awaited in .*seed.rs:$(line seed.rs sy2)\$" text
    grep -q "($(sql t.db "SELECT sum(wait_ns) FROM await_chain
        WHERE chain LIKE 'seed::example > seed::sy2%'") ns)" text
    [ "$(title f.svg 'seed::sy2' | wc -l)" -ge 4 ]
    same "label" "seed::sy2  seed.rs:$(line seed.rs sy2)" \
        "$(attributes f.svg '(//*[starts-with(@data-label, "seed::sy2")])[1]/@data-label')"
}

@test "flame: names are escaped, whatever bytes they have, and short where it is narrow" {
    record seed-1.96-debug
    long=$(printf 'x%.0s' $(seq 300))
    sqlite3 t.db "UPDATE future_type SET name = '<a&b>\"'']]>' || CAST(x'ff01c3a4' AS TEXT)
        || '$long' WHERE name = 'seed::example'"
    "$ASYNCREPORT" --flame f.svg --speedscope s.json t.db
    xmllint --noout f.svg
    same "name" "<a&b>\"']]>??ä$long" "$(title f.svg '<a' | head -n 1)"
    same "text fits" "" "$(xmllint --xpath '//*[@class="frame"]' f.svg |
        grep -oE '<rect [^>]*/><text [^>]*>[^<]*' | sed -E 's/&[a-z]+;/./g' |
        sed -E 's/.* width="([0-9.]+)".*<text [^>]*>(.*)/\1\t\2/' |
        awk -F '\t' 'length($2) * 7.2 > $1')"
    grep -q '>.*xx\.\.</text>' f.svg
    same "name in JSON" 1 "$(sqlite3 :memory: "
        SELECT count(*) FROM json_each(readfile('s.json'), '\$.shared.frames')
        WHERE value ->> 'name' LIKE '<a&b>\"'']]>??ä%'")"
}

@test "flame: style and script are those of the source" {
    record seed-1.96-debug
    "$ASYNCREPORT" --flame f.svg t.db
    for part in style:css script:js; do
        xmllint --xpath "string(//*[local-name()='${part%:*}'])" f.svg | sed '1d;$d' >part
        cmp part "$BATS_TEST_DIRNAME/../report/flame.${part#*:}"
    done
}

@test "flame and speedscope: only chains that --match" {
    record seed-1.96-debug
    "$ASYNCREPORT" --match 'seed::sy1' --flame f.svg --speedscope s.json t.db
    wait_ns=$(sql t.db "SELECT sum(wait_ns) FROM await_chain WHERE chain LIKE '%seed::sy1%'")
    same "value of all" "$wait_ns" "$(frames f.svg | head -n 1 | cut -f 3)"
    same "sum of weights" "$wait_ns" "$(sqlite3 :memory: "
        SELECT sum(value) FROM json_each(readfile('s.json'), '\$.profiles[0].weights')")"
}

@test "flame: a recording without waits has the root alone" {
    record seed-1.96-debug
    "$ASYNCREPORT" --from 1000s --flame f.svg t.db
    xmllint --noout f.svg
    same "frames" "0 0 0 10.000000 1180.000000" "$(frames f.svg | xargs)"
}

# speedscope: writes s.json of t.db, and the tables of s.db from it.
speedscope() {
    "$ASYNCREPORT" --speedscope s.json t.db >out
    same "stdout" "" "$(cat out)"
    rm -f s.db
    sqlite3 s.db "
        CREATE TABLE file AS SELECT CAST(readfile('s.json') AS TEXT) AS text;
        CREATE TABLE frame AS SELECT key AS id, value ->> 'name' AS name FROM file,
            json_each(text, '\$.shared.frames');
        CREATE TABLE profile AS SELECT key AS id, value AS text, value ->> 'type' AS type,
            value ->> 'name' AS name, value ->> 'unit' AS unit,
            value ->> 'startValue' AS first, value ->> 'endValue' AS last
            FROM file, json_each(text, '\$.profiles');
        CREATE TABLE sample AS SELECT p.id AS profile, s.key AS id, s.value AS stack,
            w.value AS weight FROM profile p, json_each(p.text, '\$.samples') s
            LEFT JOIN json_each(p.text, '\$.weights') w ON w.key = s.key;
        CREATE TABLE event AS SELECT p.id AS profile, e.key AS id, e.value ->> 'type' AS type,
            e.value ->> 'frame' AS frame, e.value ->> 'at' AS at
            FROM profile p, json_each(p.text, '\$.events') e;"
}

# What the published schema demands, and the importer.
well_formed() {
    same "schema" https://www.speedscope.app/file-format-schema.json \
        "$(sql s.db "SELECT text ->> '\$.\$schema' FROM file")"
    same "frames without a name" 0 \
        "$(sql s.db "SELECT count(*) FROM frame WHERE typeof(name) <> 'text'")"
    same "wrong profiles" 0 "$(sql s.db "SELECT count(*) FROM profile WHERE NOT (
        type IN ('sampled', 'evented') AND typeof(name) = 'text' AND unit = 'nanoseconds'
        AND typeof(first) = 'integer' AND typeof(last) = 'integer' AND first <= last)")"
    same "samples, weights" "$(sql s.db "SELECT count(*), count(weight) FROM sample")" \
        "$(sql s.db "SELECT count(*), (SELECT sum(json_array_length(text, '\$.weights'))
            FROM profile) FROM sample")"
    same "frames out of range" 0 "$(sql s.db "SELECT count(*) FROM (
        SELECT f.value AS frame FROM sample, json_each(stack) f
        UNION ALL SELECT frame FROM event)
        WHERE typeof(frame) <> 'integer' OR frame NOT IN (SELECT id FROM frame)")"
    sql s.db 'SELECT e.profile, e.type, e.frame, e.at, p.first, p.last
        FROM event e JOIN profile p ON p.id = e.profile ORDER BY e.profile, e.id' |
        awk '$1 != profile { wrong += depth; depth = 0; at = $5; profile = $1 }
            $4 < at || $4 > $6 { print "time: " $0; wrong++ }
            { at = $4 }
            $2 == "O" { open[depth++] = $3 }
            $2 == "C" && (depth == 0 || open[--depth] != $3) { print "not open: " $0; wrong++ }
            END { exit wrong + depth }'
}

@test "speedscope: stacks and weights are the chains" {
    record seed-1.96-debug
    speedscope
    well_formed
    for profile in 0:wait_ns 1:self_ns; do
        sql t.db "SELECT chain, ${profile#*:} FROM await_chain WHERE ${profile#*:} > 0" |
            sort >expected
        sql s.db "SELECT (SELECT group_concat(name, ' > ') FROM (
                SELECT f.name FROM json_each(stack) e JOIN frame f ON f.id = e.value
                ORDER BY e.key)), weight
            FROM sample WHERE profile = ${profile%:*}" | sort >actual
        diff expected actual
        [ -s expected ]
        same "end" "$(awk -F '\t' '{ sum += $2 } END { print sum }' actual)" \
            "$(sql s.db "SELECT last FROM profile WHERE id = ${profile%:*}")"
    done
}

@test "speedscope: a profile for each thread has its polls" {
    record storm-1.96-debug 50
    speedscope
    well_formed
    same "threads" "$(sql t.db "SELECT DISTINCT 'thread ' || tid || ' ' || t.name
            FROM poll JOIN thread t USING (tid) ORDER BY tid")" \
        "$(sql s.db "SELECT name FROM profile WHERE type = 'evented'")"
    same "polls and their time, by type" "$(sql t.db "
        SELECT t.name, count(*), sum(end_ns - start_ns)
        FROM poll p JOIN chain c ON c.id = p.chain_id JOIN future_type t ON t.id = c.future_type_id
        GROUP BY t.name ORDER BY t.name")" "$(sql s.db "
        SELECT f.name, sum(type = 'O'), sum(CASE type WHEN 'O' THEN -at ELSE at END)
        FROM event e JOIN frame f ON f.id = e.frame GROUP BY f.name ORDER BY f.name")"
}

@test "speedscope: polls whose end was not seen are closed too" {
    record panics-1.96-debug
    [ "$(sql t.db 'SELECT count(*) FROM poll WHERE end_ns IS NULL')" -gt 0 ]
    speedscope
    well_formed
    same "polls" "$(sql t.db 'SELECT count(*) FROM poll')" \
        "$(sql s.db "SELECT count(*) FROM event WHERE type = 'O'")"
}

@test "files and a view at once" {
    record seed-1.96-debug
    "$ASYNCREPORT" --flame f.svg --speedscope s.json t.db tasks >out
    grep -q seed::example out
    xmllint --noout f.svg
    same "valid" 1 "$(sqlite3 :memory: "SELECT json_valid(readfile('s.json'))")"
    same "by a pipe" "$(sha256sum <f.svg)" "$("$ASYNCREPORT" --flame /dev/stdout t.db | sha256sum)"
}

@test "what cannot be written is refused, and no part of it is left" {
    record seed-1.96-debug
    refused 'missing/f.svg: cannot write: No such' --flame missing/f.svg t.db
    refused '/: cannot write: Is a dir' --speedscope / t.db
    before=$(sha256sum t.db)
    refused 't.db: is the recording' --flame ./t.db t.db
    same "t.db" "$before" "$(sha256sum t.db)"
    echo old >old
    with_disk 8k "cp old disk/f.svg
        '$ASYNCREPORT' --flame disk/f.svg t.db 2>flame.err && exit 1
        '$ASYNCREPORT' --speedscope disk/s.json t.db 2>speedscope.err && exit 1
        ls disk >left && cp disk/f.svg kept"
    same "files" f.svg "$(cat left)"
    cmp old kept
    grep -qx 'asyncreport: disk/f.svg: cannot write: No space left on device' flame.err
    grep -qx 'asyncreport: disk/s.json: cannot write: No space left on device' speedscope.err
}

@test "a new file takes the place of an old one, and of what a link names" {
    record seed-1.96-debug
    echo old >f.svg
    ln -s f.svg link.svg
    "$ASYNCREPORT" --flame link.svg t.db
    [ -L link.svg ]
    xmllint --noout f.svg
    same "files" "cache err f.svg link.svg out t.db" "$(ls | xargs)"
}

@test "wrong times and widths are refused" {
    record seed-1.96-debug
    for time in '' x -1 1x 1.5.5 nan inf 5e 3min; do
        refused "--from $time: not a time" "--from=$time" t.db
        refused "--to $time: not a time" "--to=$time" t.db
    done
    refused 'nothing lies between' --from 2 --to 1 t.db
    refused 'nothing lies between' --from 1s --to 1000ms t.db
    refused '--by sleep' --flame f.svg --by sleep t.db
    refused '--by polls: .*--flame' --by polls t.db
    [ ! -e f.svg ]
}

# halves: t, in the middle of the polls of t.db, and what the relations are before it
# (a.db), from then on (b.db) and in the whole (all.db).
halves() {
    local relation
    t=$(sql t.db "SELECT start_ns - (SELECT value FROM meta WHERE key = 'start_ns')
        FROM poll ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 2 FROM poll)")
    for relation in poll future task poll_count await_edge await_chain; do
        "$ASYNCREPORT" --format csv --sql "SELECT * FROM $relation" t.db >all.csv
        "$ASYNCREPORT" --format csv --sql "SELECT * FROM $relation" --to "${t}ns" t.db >a.csv
        "$ASYNCREPORT" --format csv --sql "SELECT * FROM $relation" --from "${t}ns" t.db >b.csv
        sqlite3 halves.db ".import --csv all.csv all_$relation" ".import --csv a.csv a_$relation" \
            ".import --csv b.csv b_$relation" \
            "CREATE VIEW both_$relation AS
                SELECT * FROM a_$relation UNION ALL SELECT * FROM b_$relation"
    done
}

# adds_up RELATION KEYS COLUMN...: the sums of COLUMNs by KEYS are, in both halves
# together, those of the whole.
adds_up() {
    local relation=$1 keys=$2 columns
    shift 2
    columns=$(printf ', sum(%s)' "$@")
    sql halves.db "SELECT $keys$columns FROM all_$relation WHERE polls > 0
        GROUP BY $keys ORDER BY $keys" >expected
    sql halves.db "SELECT $keys$columns FROM both_$relation WHERE polls > 0
        GROUP BY $keys ORDER BY $keys" >actual
    [ -s expected ]
    diff expected actual
}

@test "--from and --to: two stretches that adjoin are the whole" {
    for subject in seed-1.96-debug panics-1.96-debug server-1.63-debug; do
        rm -f halves.db
        record $subject
        halves
        adds_up poll_count name polls ready pending panicked cancelled busy_ns self_ns wait_ns
        adds_up await_edge 'parent, child, file, line' polls wait_ns
        adds_up await_chain chain polls wait_ns busy_ns self_ns
        same "$subject: polls" "$(sql halves.db 'SELECT * FROM all_poll ORDER BY id' | sha256sum)" \
            "$(sql halves.db 'SELECT * FROM both_poll ORDER BY id' | sha256sum)"
        [ "$(sql halves.db 'SELECT count(*) FROM a_poll')" -gt 0 ]
        [ "$(sql halves.db 'SELECT count(*) FROM b_poll')" -gt 0 ]
    done
}

@test "--from and --to: a poll stays with the one around it, tasks and futures are the stretch's" {
    record server-1.63-debug
    halves
    start=$(sql t.db "SELECT value FROM meta WHERE key = 'start_ns'")
    same "outermost polls on the wrong side" 0 "$(sql halves.db "
        SELECT (SELECT count(*) FROM a_poll WHERE parent_id = '' AND start_ns - $start >= $t)
            + (SELECT count(*) FROM b_poll WHERE parent_id = '' AND start_ns - $start < $t)")"
    for half in a b; do
        same "$half: polls without their parent" 0 "$(sql halves.db "SELECT count(*)
            FROM ${half}_poll WHERE parent_id <> '' AND parent_id NOT IN
            (SELECT id FROM ${half}_poll)")"
        same "$half: futures and their polls" "$(sql halves.db "
            SELECT future_id, count(*), min(start_ns), max(start_ns) FROM ${half}_poll
            GROUP BY CAST(future_id AS INTEGER)")" "$(sql halves.db "
            SELECT id, polls, first_poll_ns, last_poll_ns FROM ${half}_future
            ORDER BY CAST(id AS INTEGER)")"
        same "$half: futures counted" "$(sql halves.db "SELECT count(*) FROM ${half}_future")" \
            "$(sql halves.db "SELECT sum(futures) FROM ${half}_poll_count")"
        same "$half: tasks" "$(sql halves.db "SELECT id, root_future_id FROM all_task
                WHERE root_future_id IN (SELECT id FROM ${half}_future) ORDER BY id")" \
            "$(sql halves.db "SELECT id, root_future_id FROM ${half}_task ORDER BY id")"
    done
    same "futures of the first half that are polled again: outcomes" live "$(sql halves.db "
        SELECT DISTINCT outcome FROM a_future WHERE id IN (SELECT id FROM b_future)")"
    same "other futures: changed outcomes" 0 "$(sql halves.db "
        SELECT count(*) FROM both_future n JOIN all_future f USING (id)
        WHERE n.outcome <> f.outcome AND n.last_poll_ns = f.last_poll_ns")"
}

@test "--from and --to: views and files show the stretch" {
    record seed-1.96-debug
    halves
    for view in summary futures tasks chains waits calls polls; do
        "$ASYNCREPORT" --to "${t}ns" t.db $view >out
        grep -q seed:: out || fail "$view: $(cat out)"
    done
    "$ASYNCREPORT" --format csv --to "${t}ns" t.db polls >out
    same "polls" "$(sql halves.db 'SELECT count(*) FROM a_poll')" "$(($(wc -l <out) - 1))"
    "$ASYNCREPORT" --from "${t}ns" --flame f.svg --by polls t.db
    same "polls drawn" "$(sql halves.db 'SELECT count(*) FROM b_poll')" \
        "$(frames f.svg | head -n 1 | cut -f 3)"
}

@test "--from and --to: units mean what they say" {
    record seed-1.96-debug
    "$ASYNCREPORT" --from 0.005 --to 0.010 t.db polls >expected
    for times in '5ms 10ms' '5000us 0.01s' '5000000ns .01'; do
        "$ASYNCREPORT" --from "${times% *}" --to "${times#* }" t.db polls >out
        cmp expected out
    done
    "$ASYNCREPORT" --from 0 t.db polls >out
    "$ASYNCREPORT" t.db polls >expected
    cmp expected out
}
