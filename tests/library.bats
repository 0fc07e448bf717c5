#!/usr/bin/env bats
# Asynchronous code in a shared library of the program.

load helpers

# record_with "FILE..." PROGRAM [ARG...]: as record, with each FILE as --exe.
record_with() {
    local file status=0 probed=()
    for file in $1; do
        probed+=(--exe "$file")
    done
    shift
    "$ASYNCREC" -l all "${probed[@]}" -o t.db -- "$@" >out 2>err || status=$?
    [ $status = 0 ] || fail "asyncrec ${probed[*]} $* ended with $status: $(cat err)"
}

@test "a library that is opened while the program runs" {
    for version in 1.63 1.96; do
        for profile in debug release; do
            library=$SUBJECTS/library-$version-$profile/opened.so
            record_with "$library" "$SUBJECTS/library_opener" "$library"
            compare $profile || fail "$version $profile"
            [ "$(sql t.db "SELECT exact AND polls = $(truth library::fetch 3) FROM poll_count
                WHERE name = 'library::fetch'")" = 1 ] || fail "$version $profile: library::fetch"
        done
    done
}

@test "a library that the program is linked with" {
    for version in 1.63 1.96; do
        directory=$SUBJECTS/library-$version-debug
        record_with "$directory/liblibrary.so" "$directory/user"
        same "polls of the program's own" "" \
            "$(sql t.db "SELECT name FROM poll_count WHERE name LIKE 'library\_user%' ESCAPE '\\'")"
        # The program might have copies of the library's functions.
        same "rows that claim to be exact" 0 "$(sql t.db 'SELECT count(*) FROM poll_count WHERE exact')"
        for name in $(awk -F '\t' '$1 == "truth" && $2 !~ /library_user/ { print $2 }' out); do
            same "$version: polls of $name" "$(truth "$name" 3)" \
                "$(sql t.db "SELECT polls FROM poll_count WHERE name = '$name'")"
        done
    done
}

@test "a library and the program that is linked with it" {
    for version in 1.63 1.96; do
        directory=$SUBJECTS/library-$version-debug
        record_with "$directory/user $directory/liblibrary.so" "$directory/user"
        compare debug || fail "$version"
        same "polls of library_user::order with one of library::fetch below" \
            "$(truth library_user::order 3)" "$(sql t.db "
            SELECT sum(polls) FROM await_edge
            WHERE parent = 'library_user::order' AND child = 'library::fetch'")"
    done
}

# Optimised, the program has copies of the library's functions: what it runs of them the
# library's probes do not see.
@test "a library and the program that is linked with it, optimised" {
    for version in 1.63 1.96; do
        directory=$SUBJECTS/library-$version-release
        record_with "$directory/liblibrary.so" "$directory/user"
        compare release || fail "$version, the library alone"
        record_with "$directory/user $directory/liblibrary.so" "$directory/user"
        compare release || fail "$version, both"
    done
}
