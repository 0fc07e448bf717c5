#!/bin/bash
# build_subjects.sh DIR TOOLCHAIN: compiles the test programs into DIR as
# NAME-RUSTC-PROFILE. TOOLCHAIN is the directory of toolchain.sh.
set -euo pipefail

out=$(realpath -m "$1")
new=$(realpath "$2")/usr
source=$(realpath "$(dirname "$0")")/subjects
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
    flags=()
    [ $profile = debug ] || flags+=(--release)
    # cargo writes Cargo.lock beside Cargo.toml, so it gets a copy of the sources.
    copy=$out/server-source
    rm -rf "$copy"
    mkdir -p "$copy"
    cp -R "$source/server" "$copy/server"
    cp "$source/truth.rs" "$copy/"
    (cd "$copy/server" && RUSTC=/usr/bin/rustc CARGO_HOME=$out/cargo-home \
        CARGO_TARGET_DIR=$out/server-target /usr/bin/cargo build --quiet --offline "${flags[@]}")
    cp "$out/server-target/$profile/server" "$bin"
done

cc -g -o "$out/plain-c" "$source/plain.c"
strip -o "$out/seed-stripped" "$out/seed-1.96-release"
