#!/bin/bash
# build_subjects.sh DIR TOOLCHAIN: compiles the test programs into DIR as
# NAME-RUSTC-PROFILE. TOOLCHAIN is the directory of toolchain.sh.
set -euo pipefail

out=$(realpath -m "$1")
new=$(realpath "$2")/usr
source=$(realpath "$(dirname "$0")")/subjects
. "$(dirname "$0")/build_cargo.sh"
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

# Those of cargo are built beside the others: at the end it links on one processor.
packages() {
    local profile version rustc
    # A current rustc as one command, for cargo.
    cat >"$out/rustc-1.96" <<END
#!/bin/sh
LD_LIBRARY_PATH=$new/lib/x86_64-linux-gnu exec $new/bin/rustc --sysroot $new "\$@"
END
    chmod +x "$out/rustc-1.96"
    for profile in debug release; do
        for version in 1.63 1.96; do
            rustc=/usr/bin/rustc
            [ $version = 1.63 ] || rustc=$out/rustc-1.96
            up_to_date "$out/server-$version-$profile" ||
                build_cargo "$out" "$rustc" $version $profile server server
            up_to_date "$out/smol_tasks-$version-$profile" ||
                build_cargo "$out" "$rustc" $version $profile runtimes smol_tasks async_std_tasks \
                    futures_tasks tokio_local tokio_pool wakes_tokio wakes_smol wakes_futures \
                    tokio_cancels smol_cancels futures_cancels tokio_reuse tokio_spawns \
                    smol_spawns async_std_spawns futures_spawns
        done
    done
    # tokio counts what it schedules, if it is built to.
    up_to_date "$out/wakes_tokio-metrics-debug" ||
        RUSTFLAGS="--cfg tokio_unstable" build_cargo "$out" "$out/rustc-1.96" metrics debug runtimes \
            wakes_tokio
    up_to_date "$out/smol_tasks-1.96-lto" ||
        build_cargo "$out" "$out/rustc-1.96" 1.96 lto runtimes smol_tasks tokio_local tokio_pool \
            tokio_cancels tokio_spawns smol_spawns
}
packages &
packages=$!
trap 'kill "$packages" 2>/dev/null || true' EXIT

for name in seed panics storm registers names waits shapes wakes cancels reuse; do
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

# More of what inlines: link time optimisation of everything, and the smallest code.
flags_of() { # lto|small
    case $1 in
    lto) echo -C opt-level=3 -C lto=fat -C codegen-units=1 ;;
    small) echo -C opt-level=s ;;
    esac
}
for profile in lto small; do
    for name in panics storm shapes cancels; do
        for version in 1.63 1.96; do
            bin=$out/$name-$version-$profile
            read -ra flags <<<"$(flags_of $profile)"
            up_to_date "$bin" ||
                (cd "$source" && rustc_of $version --edition 2021 --crate-name "$name" -g \
                    "${flags[@]}" -o "$bin" "$name.rs")
        done
    done
done
# variant NAME FLAG...: seed.rs by both compilers as variant-NAME-RUSTC.
variant() {
    local name=$1 version
    shift
    for version in 1.63 1.96; do
        [ "$name" != unpacked ] || [ $version = 1.96 ] || continue # unstable before 1.65
        up_to_date "$out/variant-$name-$version" ||
            (cd "$source" && rustc_of $version --edition 2021 --crate-name seed -g "$@" \
                -o "$out/variant-$name-$version" seed.rs)
    done
}
variant O1 -C opt-level=1
variant O2 -C opt-level=2
variant O3 -C opt-level=3
variant Os -C opt-level=s
variant Oz -C opt-level=z
variant fat_lto -C opt-level=3 -C lto=fat -C codegen-units=1
variant thin_lto -C opt-level=3 -C lto=thin
variant abort -C opt-level=3 -C panic=abort
variant static -C target-feature=+crt-static
variant v0 -C symbol-mangling-version=v0
variant v0_O3 -C opt-level=3 -C symbol-mangling-version=v0
variant unpacked -C split-debuginfo=unpacked -C codegen-units=4
variant line_tables -C debuginfo=1

# Debug information elsewhere or compressed, from the debug builds.
for version in 1.63 1.96; do
    debug=$out/seed-$version-debug
    up_to_date "$out/variant-debuglink-$version" && continue
    for packed in zlib zlib-gnu zstd; do
        objcopy --compress-debug-sections=$packed "$debug" "$out/variant-$packed-$version"
    done
    objcopy --only-keep-debug "$debug" "$out/debuglink-$version.debug"
    strip -o "$out/variant-debuglink-$version" "$debug"
    (cd "$out" && objcopy --add-gnu-debuglink=debuglink-$version.debug \
        "variant-debuglink-$version")
done

# A shared library, as Rust's own kind with a program that uses it, and as C's.
for version in 1.63 1.96; do
    for profile in debug release; do
        dir=$out/library-$version-$profile
        up_to_date "$dir/user" && continue
        mkdir -p "$dir"
        flags=(--edition 2021 -g)
        [ $profile = debug ] || flags+=(-O)
        rust_kind=(-C prefer-dynamic -C rpath)
        (
            cd "$source"
            rustc_of $version "${flags[@]}" --crate-type cdylib -o "$dir/opened.so" library.rs
            rustc_of $version "${flags[@]}" "${rust_kind[@]}" --crate-type dylib \
                -o "$dir/liblibrary.so" library.rs
            rustc_of $version "${flags[@]}" "${rust_kind[@]}" \
                --extern library="$dir/liblibrary.so" -o "$dir/user" library_user.rs
        )
    done
done

cc -g -o "$out/library_opener" "$source/library_opener.c"
cc -g -o "$out/plain-c" "$source/plain.c"
cc -g -O1 -o "$out/places-c" "$source/places.c" "$source/places_twin.c"
strip -o "$out/seed-stripped" "$out/seed-1.96-release"
wait $packages
