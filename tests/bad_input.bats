#!/usr/bin/env bats
# What cannot be recorded or read is refused with status 125 and one line.

load helpers

@test "an existing file that is no recording stays as it is" {
    echo 'my notes' >notes.txt
    refuses 'notes.txt' "$ASYNCREC" -o notes.txt "$SUBJECTS/seed-1.96-debug"
    same "notes.txt" 'my notes' "$(cat notes.txt)"
    sqlite3 other.db 'CREATE TABLE mine (a); INSERT INTO mine VALUES (1)'
    before=$(sha256sum other.db)
    refuses 'other.db' "$ASYNCREC" -o other.db "$SUBJECTS/seed-1.96-debug"
    same "other.db" "$before" "$(sha256sum other.db)"
}

@test "a directory for the output that is missing" {
    refuses 'missing' "$ASYNCREC" -o missing/t.db "$SUBJECTS/seed-1.96-debug"
    [ ! -e missing ]
}

@test "a script is not ELF" {
    printf '#!/bin/sh\ntouch ran\n' >script
    chmod +x script
    refuses 'ELF' "$ASYNCREC" -o t.db ./script
    [ ! -e ran ]
    [ ! -e t.db ]
}

@test "a file cut off after its ELF header" {
    head -c 64 "$SUBJECTS/seed-1.96-debug" >cut
    chmod +x cut
    refuses 'cut' "$ASYNCREC" -o t.db ./cut
    head -c 200000 "$SUBJECTS/seed-1.96-debug" >cut
    refuses 'cut' "$ASYNCREC" -o t.db ./cut
}

@test "a 32-bit ELF file" {
    {
        printf '\177ELF\001\001\001\000\000\000\000\000\000\000\000\000'
        printf '\002\000\003\000\001\000\000\000\000\000\000\000'
        printf '\000\000\000\000\000\000\000\000\000\000\000\000'
        printf '\064\000\040\000\000\000\050\000\000\000\000\000'
    } >elf32
    chmod +x elf32
    refuses '32-bit|64-bit|x86-64' "$ASYNCREC" -o t.db ./elf32
}

@test "a C program has no async code" {
    refuses 'async' "$ASYNCREC" -o t.db "$SUBJECTS/plain-c" exit 0
    [ ! -e t.db ]
}

@test "a stripped program has no debug information" {
    refuses 'debug|symbol' "$ASYNCREC" -o t.db "$SUBJECTS/seed-stripped"
}

@test "--list refuses what recording refuses" {
    printf '#!/bin/sh\n' >script
    chmod +x script
    refuses 'ELF' "$ASYNCREC" --list ./script
    refuses 'async' "$ASYNCREC" --list "$SUBJECTS/plain-c"
    refuses 'debug|symbol' "$ASYNCREC" --list "$SUBJECTS/seed-stripped"
}

@test "wrong values of options" {
    refuses 'level' "$ASYNCREC" -l everything -o t.db "$SUBJECTS/seed-1.96-debug"
    refuses 'exits' "$ASYNCREC" --exits some -o t.db "$SUBJECTS/seed-1.96-debug"
    refuses 'buffer' "$ASYNCREC" -b many -o t.db "$SUBJECTS/seed-1.96-debug"
    [ ! -e t.db ]
}

@test "without privilege it says which is missing" {
    mkdir open_to_all
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null || true
    cp "$ASYNCREC" "$SUBJECTS/seed-1.96-debug" open_to_all
    chmod 777 open_to_all
    as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
    refuses 'CAP_PERFMON' $as_nobody env -C "$PWD/open_to_all" ./asyncrec -o t.db ./seed-1.96-debug
    same "files" "asyncrec seed-1.96-debug" "$(ls open_to_all | xargs)"
}

@test "tracefs is mounted where it is not" {
    unshare -m sh -c "umount -a -t tracefs
        '$ASYNCREC' -o t.db '$SUBJECTS/seed-1.96-debug'" >out
    same "polls" "$(truth seed::example 3)" \
        "$(sql t.db "SELECT polls FROM poll_count WHERE name = 'seed::example'")"
}

@test "where tracefs cannot be mounted it says how" {
    refuses 'mount -t tracefs' unshare -m sh -c "umount -a -t tracefs
        mount -t tmpfs none /sys/kernel && exec '$ASYNCREC' -o t.db '$SUBJECTS/seed-1.96-debug'"
    [ ! -e t.db ]
}

@test "a full disk at the start leaves nothing behind" {
    refuses 'full' with_disk 40k "'$ASYNCREC' -o disk/t.db '$SUBJECTS/seed-1.96-debug' ||
        { status=\$?; ls disk >left; exit \$status; }"
    same "files left" "" "$(cat left)"
}

# unreadable FILE: asyncreport fails, explains itself and leaves the file alone.
unreadable() {
    local before status=0
    before=$(sha256sum "$1")
    "$ASYNCREPORT" "$1" >out 2>err || status=$?
    [ $status != 0 ] || fail "asyncreport accepted $1: $(cat out)"
    [ $status -lt 128 ] || fail "asyncreport died with $status on $1"
    same "lines on stderr" 1 "$(wc -l <err)"
    grep -q '^asyncreport: ' err
    same "stdout" "" "$(cat out)"
    same "$1" "$before" "$(sha256sum "$1")"
}

@test "asyncreport on what is no recording" {
    echo 'my notes' >notes.txt
    unreadable notes.txt
    : >empty.db
    unreadable empty.db
    sqlite3 other.db 'CREATE TABLE mine (a)'
    unreadable other.db
}

@test "asyncreport on a file that is missing does not make one" {
    run "$ASYNCREPORT" absent.db
    [ "$status" != 0 ]
    [ ! -e absent.db ]
}

@test "asyncreport on a recording of another version, a wrong view and wrong SQL" {
    record seed-1.96-debug
    run "$ASYNCREPORT" t.db no-such-view
    [ "$status" != 0 ]
    [[ $output == *no-such-view* ]]
    run "$ASYNCREPORT" --sql 'SELECT 1 FROM nowhere' t.db
    [ "$status" != 0 ]
    [[ $output == *nowhere* ]]
    sqlite3 t.db "UPDATE meta SET value = 99999 WHERE key = 'schema_version'"
    unreadable t.db
}
