#!/usr/bin/env bats
# The code itself, and asyncrec under checkers. SOURCE and BUILD come from ctest.

load helpers

: "${SOURCE:?}" "${BUILD:?}"

c_files() {
    find "$SOURCE/collector" "$SOURCE/report" "$SOURCE/include" "$SOURCE/tests" -name '*.[ch]' |
        sort
}

@test "every C file is formatted" {
    c_files | xargs clang-format --dry-run -Werror --style=file
}

@test "clang-tidy finds nothing" {
    find "$SOURCE/collector" "$SOURCE/report" -name '*.c' |
        xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$BUILD" 2>tidy.err >tidy.out ||
        fail "$(cat tidy.out)"
    same "findings" "" "$(cat tidy.out)"
}

@test "no file is longer than 700 lines" {
    same "long files" "" "$(c_files | xargs wc -l | awk '$2 != "total" && $1 > 700 { print $2 }')"
}

@test "SQL is in schema only" {
    same "SQL in C" "" "$(find "$SOURCE/collector" "$SOURCE/report" -name '*.c' |
        xargs grep -nE '"[^"]*(CREATE (TEMP )?(TABLE|VIEW|INDEX)|INSERT INTO|SELECT |UPDATE [a-z]+ SET)' || true)"
}

# sanitized: asyncrec and asyncreport with AddressSanitizer and UBSan, in ./sanitized.
sanitized() {
    cmake -S "$SOURCE" -B sanitized -D SANITIZE=ON -D BUILD_TESTING=OFF >build.log
    cmake --build sanitized --parallel "$(nproc)" >>build.log || fail "$(tail build.log)"
    ASYNCREC=$PWD/sanitized/asyncrec
    ASYNCREPORT=$PWD/sanitized/asyncreport
}

@test "AddressSanitizer and UBSan find nothing" {
    sanitized
    for subject in seed-1.63-debug panics-1.96-debug cancels-1.96-debug server-1.63-release; do
        record $subject
        same "lines on stderr of $subject" 1 "$(wc -l <err)" || fail "$(cat err)"
        [ $subject = cancels-1.96-debug ] || compare release
        for view in summary futures tasks chains waits calls cancels panics polls; do
            for format in text json csv; do
                COLUMNS=60 "$ASYNCREPORT" --format $format --limit 20 --sort polls t.db $view \
                    >out 2>err || grep -q 'no such column' err || fail "$view: $(cat err)"
                ! grep -q Sanitizer err || fail "$view: $(cat err)"
            done
        done
        for by in wait busy polls; do
            "$ASYNCREPORT" --from 1ms --match e --flame f.svg --by $by --speedscope s.json t.db \
                2>err || fail "files by $by: $(cat err)"
        done
    done
    "$ASYNCREC" --probe twin --probe landing_pad+4 -o t.db "$SUBJECTS/places-c" 3 2>err
    "$ASYNCREPORT" t.db >out 2>>err
    ! grep -q Sanitizer err || fail "$(cat err)"
    refuses 'inside|begins' "$ASYNCREC" --probe locked+2 -o t.db "$SUBJECTS/places-c"
    refuses 'async' "$ASYNCREC" -o t.db "$SUBJECTS/plain-c" exit 0
    refuses 'regular expression' "$ASYNCREC" -m '(' -o t.db "$SUBJECTS/seed-1.96-debug"
    head -c 200000 "$SUBJECTS/seed-1.96-debug" >cut
    chmod +x cut
    refuses 'cut' "$ASYNCREC" -o t.db ./cut
    ! grep -q Sanitizer refused.err
}

@test "valgrind finds nothing" {
    check="valgrind --quiet --error-exitcode=99 --leak-check=full"
    status=0
    $check "$ASYNCREC" -l all --list -v "$SUBJECTS/seed-1.96-debug" >out 2>err || status=$?
    same "exit status" 0 $status || fail "$(cat err)"
    status=0
    $check --trace-children=no "$ASYNCREC" -l all -o t.db "$SUBJECTS/seed-1.96-debug" >out 2>err ||
        status=$?
    same "exit status" 0 $status || fail "$(cat err)"
    compare debug
    COLUMNS=60 $check "$ASYNCREPORT" t.db >report 2>err || fail "$(cat err)"
    $check "$ASYNCREPORT" --format json t.db polls >report 2>err || fail "$(cat err)"
}

@test "installed: both tools and three manuals that man can show" {
    DESTDIR=$PWD/root cmake --install "$BUILD" >/dev/null
    "$(find root -name asyncrec -type f)" --version
    "$(find root -name asyncreport -type f)" --version
    for page in asyncrec.1 asyncreport.1 asyncrec-schema.5; do
        file=$(find root -name $page)
        [ -n "$file" ] || fail "$page is not installed"
        man --warnings -l "$file" >text 2>warnings
        same "warnings of $page" "" "$(cat warnings)"
        [ "$(wc -l <text)" -gt 30 ]
    done
}

@test "the manuals know every option, view and table" {
    for tool in "$ASYNCREC" "$ASYNCREPORT"; do
        page=$(find "$SOURCE" -path "$BUILD" -prune -o -name "$(basename "$tool").1" -print)
        for option in $("$tool" --help | grep -oE -- '--[a-z]+(-[a-z]+)*' | sort -u); do
            grep -qE -- "(Fl |, )${option#-}( |\$)" "$page" || fail "$page does not name $option"
        done
    done
    "$ASYNCREC" -o t.db "$SUBJECTS/seed-1.96-debug" >/dev/null
    for table in $(sql t.db "SELECT name FROM sqlite_schema WHERE type = 'table'"); do
        grep -q "^.Ss $table\$" "$BUILD/asyncrec-schema.5" || fail "no table $table"
        for column in $(sql t.db "SELECT name FROM pragma_table_info('$table')"); do
            awk -v table="$table" -v column="$column" '
                /^.Ss / { inside = $2 == table }
                inside && $1 == ".It" && $2 == column { found = 1 }
                END { exit !found }' "$BUILD/asyncrec-schema.5" ||
                fail "$table has no column $column in the manual"
        done
    done
}

@test "the summary fits into 80 columns" {
    record server-1.63-debug
    COLUMNS=80 "$ASYNCREPORT" t.db >out
    same "lines over 80 columns" "" "$(awk 'length($0) > 80 && !/^(program|build-id)/' out)"
    grep -q 'server::lookup.*main.rs:[0-9]' out
}
