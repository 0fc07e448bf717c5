#!/usr/bin/env bats
# Poll sites that are kept for next time: never told wrong, never trusted blindly.

load helpers

# Overrides the place that helpers.bash sets, to look into it.
CACHE=$BATS_TEST_TMPDIR/cache/asyncrec

# list FILE OPTION...: `--list -v` of every future into FILE, what it says into FILE.err.
list() {
    local out=$1 status=0
    shift
    "$ASYNCREC" -l all --list -v "$@" >"$out" 2>"$out.err" || status=$?
    same "exit status of --list $*" 0 $status || fail "$(cat "$out.err")"
}

# used FILE: did the sites of this `list` come from the cache?
used() {
    grep -q 'in the cache.*: used$' "$1.err"
}

# start PROGRAM: sets program and file, its file in the cache; leaves a listing and a
# good copy of the file.
start() {
    program=$1
    list expected --no-cache "$program"
    [ ! -e "$CACHE" ]
    list cold "$program"
    cmp expected cold
    ! used cold
    file=$(echo "$CACHE"/*)
    [ -f "$file" ]
    list warm "$program"
    used warm
    cmp expected warm
    cp -p "$file" good
}

# repaired WHAT: the file as it is now is not believed, and a good one takes its place.
repaired() {
    list got "$program"
    cmp expected got || fail "$1: the listing differs"
    ! used got || fail "$1: it was used"
    cmp good "$file" || fail "$1: no good file took its place"
    same "$1: mode and owner" "regular file 600 0" "$(stat -c '%F %a %u' "$file")"
    list got "$program"
    used got || fail "$1: the new file is not used"
    same "$1: files" 1 "$(ls -A "$CACHE" | wc -l)"
}

@test "what comes from the cache is what would be found, for every test program" {
    local checked=0
    for program in "$SUBJECTS"/*-1.[69][36]* "$SUBJECTS"/plain-c; do
        [ -f "$program" ] && [ -x "$program" ] || continue
        # These are built like others, of the same crates.
        [[ $program != *@(spawns|cancels|wakes|reuse)* ]] || continue
        "$ASYNCREC" --list -l all --no-cache "$program" >expected 2>refusal || continue
        list expected --no-cache "$program"
        list cold "$program"
        list warm "$program"
        cmp expected cold
        cmp expected warm
        used warm || grep -q 'told by symbols alone' warm.err || fail "$program is not cached"
        checked=$((checked + 1))
    done
    [ $checked -ge 40 ] || fail "only $checked programs"
}

@test "what is recorded by way of the cache is the same" {
    tables="SELECT * FROM future_type; SELECT * FROM await_point; SELECT * FROM probe"
    for subject in seed-1.63-debug server-1.96-release; do
        record $subject
        sql t.db "$tables" >cold
        "$ASYNCREC" -v -l all -o t.db "$SUBJECTS/$subject" >out 2>warm.err
        used warm
        compare release
        sql t.db "$tables" >warm
        cmp cold warm
        [ "$(wc -l <warm)" -gt 20 ]
    done
}

@test "the debug information is not opened when the cache has the sites" {
    cp "$SUBJECTS/seed-1.96-debug" program
    start ./program
    # Of the same size and code, but with nothing to find.
    read -r offset size < <(readelf -SW program | awk '{ sub(/^ *\[ *[0-9]*\]/, "") }
        $1 == ".debug_info" { print "0x" $4, "0x" $5 }')
    dd if=/dev/zero of=program bs=1 seek=$((offset)) count=$((size)) conv=notrunc status=none
    ! "$ASYNCREC" --list --no-cache ./program
    list got ./program
    used got
    cmp expected got
}

@test "a file with any byte changed is found again and replaced" {
    start "$SUBJECTS/seed-1.96-release"
    size=$(stat -c %s good)
    # All of the head and of what the sites were found in, then one byte in each part.
    for at in $(seq 0 7 200) $(seq 201 $((size / 40)) $((size - 1))) $((size - 1)); do
        byte=$(od -An -tu1 -j "$at" -N 1 good)
        printf "\\x$(printf %02x $((byte ^ 0x41)))" |
            dd of="$file" bs=1 seek="$at" conv=notrunc status=none
        repaired "byte $at changed"
    done
}

@test "a file that is cut off, too long or empty is replaced" {
    start "$SUBJECTS/seed-1.96-release"
    size=$(stat -c %s good)
    for length in 0 1 15 16 31 32 33 100 $((size / 2)) $((size - 1)); do
        truncate -s "$length" "$file"
        repaired "$length bytes"
    done
    echo >>"$file"
    repaired "a byte more"
}

@test "a file that others own or can write is replaced" {
    start "$SUBJECTS/seed-1.96-release"
    chown 65534 "$file"
    repaired "owned by another user"
    chmod 620 "$file"
    repaired "writable for the group"
    chmod 602 "$file"
    repaired "writable for all"
    mv "$file" elsewhere
    ln -s "$PWD/elsewhere" "$file"
    repaired "a symbolic link"
    cmp good elsewhere
    rm "$file"
    mkfifo -m 600 "$file"
    repaired "a pipe"
}

@test "a directory that others can write is closed to them and nothing in it is believed" {
    start "$SUBJECTS/seed-1.96-release"
    for mode in 777 770 702; do
        chmod $mode "$CACHE"
        repaired "mode $mode"
        same "mode of the directory" 700 "$(stat -c %a "$CACHE")"
    done
}

# no_cache WHAT: sites are found all the same, without a word, and nothing is written.
no_cache() {
    "$ASYNCREC" -l all --list "$SUBJECTS/seed-1.96-release" >got 2>err || fail "$1: $(cat err)"
    cmp expected_short got || fail "$1: the listing differs"
    same "$1: stderr" "" "$(cat err)"
}

@test "where there can be no cache nothing fails" {
    "$ASYNCREC" -l all --list --no-cache "$SUBJECTS/seed-1.96-release" >expected_short
    export HOME=$PWD/home
    mkdir home

    XDG_CACHE_HOME=$PWD/missing/deep no_cache "a path that is not there"
    [ ! -e missing ]
    XDG_CACHE_HOME=/proc no_cache "a directory that cannot be written"
    touch a_file
    XDG_CACHE_HOME=$PWD/a_file no_cache "a file"
    (unset HOME XDG_CACHE_HOME && no_cache "no HOME") || fail "no HOME"
    (unset XDG_CACHE_HOME && HOME=relative no_cache "a relative HOME") || fail "relative HOME"
    [ ! -e relative ]

    mkdir of_nobody
    chown 65534 of_nobody
    XDG_CACHE_HOME=$PWD/of_nobody no_cache "another user's directory"
    same "files there" "" "$(ls -A of_nobody)"
    mkdir -p mine/asyncrec
    chown 65534 mine/asyncrec
    XDG_CACHE_HOME=$PWD/mine no_cache "another user's asyncrec directory"
    same "files there" "" "$(ls -A mine/asyncrec)"
    mkdir linked away
    ln -s "$PWD/away" linked/asyncrec
    XDG_CACHE_HOME=$PWD/linked no_cache "a symbolic link"
    same "files there" "" "$(ls -A away)"

    mkdir small
    unshare -m sh -c "mount -t tmpfs -o size=4k none small && head -c 4096 /dev/zero >small/full &&
        XDG_CACHE_HOME=\$PWD/small \
        '$ASYNCREC' -l all --list '$SUBJECTS/seed-1.96-release' >got 2>err && find small/asyncrec -type f >left"
    cmp expected_short got
    same "a full disk: stderr" "" "$(cat err)"
    same "a full disk: files left" "" "$(cat left)"

    mkdir -p "$CACHE/$(readelf -n "$SUBJECTS/seed-1.96-release" |
        sed -n 's/.*Build ID: //p').sites"
    no_cache "a directory with the file's name"
    same "files there" 1 "$(ls -A "$CACHE" | wc -l)"

    # Without XDG_CACHE_HOME, or with a relative one, it is in ~/.cache.
    XDG_CACHE_HOME=cache no_cache "a relative path"
    same "modes" "700 700" "$(stat -c %a home/.cache home/.cache/asyncrec | xargs)"
    same "files" 1 "$(ls home/.cache/asyncrec | wc -l)"
}

@test "--no-cache neither reads nor writes it" {
    start "$SUBJECTS/seed-1.96-release"
    : >"$file"
    list got --no-cache "$program"
    cmp expected got
    same "size of the file" 0 "$(stat -c %s "$file")"
    "$ASYNCREC" --no-cache -o t.db "$program" >out
    same "size of the file" 0 "$(stat -c %s "$file")"
}

@test "what another asyncrec found is not used" {
    start "$SUBJECTS/seed-1.96-release"
    objcopy --dump-section .note.gnu.build-id=id "$ASYNCREC" /dev/null
    printf '\x00\x11\x22' | dd of=id bs=1 seek=16 conv=notrunc status=none
    objcopy --update-section .note.gnu.build-id=id "$ASYNCREC" other
    ./other -l all --list -v "$program" >got 2>got.err
    ! used got
    cmp expected got
    list got "$program"
    ! used got
}

@test "another program with the same build-id is looked at itself" {
    cp "$SUBJECTS/seed-1.96-release" program
    start ./program
    address=$(readelf -SW program | awk '{ sub(/^ *\[ *[0-9]*\]/, "") }
        $1 == ".text" { print "0x" $4 }')
    printf '\x90' | dd of=program bs=1 seek=$((address)) conv=notrunc status=none
    list got ./program
    ! used got
    list got ./program
    used got
    echo >>program
    list got ./program
    ! used got
}

@test "a debug file that changed or went is noticed" {
    cp "$SUBJECTS/variant-debuglink-1.96" program
    cp "$SUBJECTS/debuglink-1.96.debug" .
    start ./program
    mkdir deeper
    (cd deeper && list ../got ../program)
    used got
    touch -d '2001-01-01' debuglink-1.96.debug
    list got ./program
    ! used got
    cmp expected got
    list got ./program
    used got
    mv debuglink-1.96.debug away
    refuses 'no debug information' "$ASYNCREC" --list ./program
    mv away debuglink-1.96.debug
    list got ./program
    used got
}

@test "what is found for want of debug information is not kept" {
    strip -g -o program "$SUBJECTS/storm-1.96-debug"
    list got ./program
    grep -q 'told by symbols alone' got.err
    same "files" "" "$(ls -A "$CACHE")"
    # One of four .dwo files is missing.
    for i in 0 1 2 3; do
        sed "s/cgu\.$i\.rcgu\.dwo/cgu.absent.dwo/" "$SUBJECTS/variant-unpacked-1.96" >program
        "$ASYNCREC" -l all --list ./program >got 2>err || continue
        same "files" "" "$(ls -A "$CACHE")"
        some=yes
    done
    [ "$some" = yes ]
}

@test "the cache keeps the 64 files that were used last" {
    mkdir -p -m 700 "$CACHE"
    for i in $(seq 70); do
        touch -d "2001-01-01 00:$((i % 60 < 10 ? 0 : 1))$((i % 10)):00" "$CACHE/$i.sites"
    done
    touch -d 2000-01-01 "$CACHE/1.sites"
    start_count=$(ls "$CACHE" | wc -l)
    same "files before" 70 "$start_count"
    list got "$SUBJECTS/seed-1.96-release"
    same "files" 64 "$(ls "$CACHE" | wc -l)"
    [ ! -e "$CACHE/1.sites" ]
    # Use makes young.
    file=$(find "$CACHE" -name '*.sites' -size +0)
    touch -d 2000-01-01 "$file"
    list got "$SUBJECTS/seed-1.96-release"
    used got
    touch "$CACHE/new.sites"
    list got "$SUBJECTS/seed-1.63-release"
    [ -e "$file" ]
}

@test "every field of a poll site is in the cache" {
    awk '/^struct [a-z_]+ \{/ { name = $2; next }
        /^}/ { name = "" }
        name && /;/ {
            sub(/;.*/, "")
            member = $NF
            sub(/^\*+/, "", member)
            print name ", " member
        }' "$SOURCES/../../collector"/{poll_sites,snapshot_plan}.h >members
    [ "$(wc -l <members)" -gt 30 ]
    while IFS= read -r member; do
        # The image is the one at hand; counts stand in the row of their array.
        [ "$member" != "poll_sites, image" ] || continue
        type=${member%, *}
        grep -Eq "\(($type, ([a-z_]+, )?${member#*, })[,)]" "$SOURCES/../../collector/site_codec.c" ||
            fail "no row for $member"
    done <members
}
