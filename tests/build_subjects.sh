#!/bin/bash
# build_subjects.sh DIR TOOLCHAIN: compiles the test programs into DIR as
# NAME-RUSTC-PROFILE. TOOLCHAIN is the directory of toolchain.sh.
set -euo pipefail

out=$(realpath -m "$1")
new=$(realpath "$2")/usr
source=$(realpath "$(dirname "$0")")/subjects
. "$(dirname "$0")/build_server.sh"
mkdir -p "$out"

rustc_of() { # VERSION ARG...
    local version=$1
    shift
    case $version in
    1.63) /usr/bin/rustc "$@" ;;
    1.96) LD_LIBRARY_PATH=$new/lib/x86_64-linux-gnu "$new/bin/rustc" --sysroot "$new" "$@" ;;
    esac
}

up_to_date() { # FILE: newer than every source?
    [ -e "$1" ] && [ -z "$(find "$source" "$0" -type f -newer "$1" -print -quit)" ]
}

for name in seed panics storm; do
    for version in 1.63 1.96; do
        for profile in debug release; do
            bin=$out/$name-$version-$profile
            up_to_date "$bin" && continue
            flags=(--edition 2021 --crate-name "$name" -g)
            [ $profile = debug ] || flags+=(-O)
            (cd "$source" && rustc_of $version "${flags[@]}" -o "$bin" "$name.rs")
        done
    done
done

for profile in debug release; do
    bin=$out/server-1.63-$profile
    up_to_date "$bin" && continue
    build_server "$out" $profile
done

cc -g -o "$out/plain-c" "$source/plain.c"
strip -o "$out/seed-stripped" "$out/seed-1.96-release"
