# build_cargo.sh: sourced; builds the test programs that need crates of Debian's.

# build_cargo DIR RUSTC VERSION debug|release|lto PROJECT BINARY...: makes
# DIR/BINARY-VERSION-PROFILE for each.
build_cargo() {
    local out=$1 rustc=$2 version=$3 profile=$4 project=$5 sources flags=() binary
    local copy=$out/cargo-source target=$out/cargo-target-$version
    shift 5
    sources=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/subjects
    for binary in "$@"; do
        flags+=(--bin "$binary")
    done
    [ "$profile" = debug ] || flags+=(--profile "$profile")
    # cargo writes Cargo.lock beside Cargo.toml, so it gets a copy of the sources.
    rm -rf "$copy"
    mkdir -p "$copy"
    cp -R "$sources/$project" "$copy/$project"
    cp "$sources/truth.rs" "$sources/fate.rs" "$copy/"
    (cd "$copy/$project" && RUSTC=$rustc CARGO_HOME=$out/cargo-home CARGO_TARGET_DIR=$target \
        /usr/bin/cargo build --quiet --offline "${flags[@]}")
    for binary in "$@"; do
        cp "$target/$profile/$binary" "$out/$binary-$version-$profile"
    done
}
