# build_server.sh: sourced; builds the tokio and hyper server with Debian's rustc 1.63.

build_server() { # DIR debug|release: makes DIR/server-1.63-PROFILE
    local sources flags=() copy=$1/server-source
    sources=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/subjects
    [ "$2" = debug ] || flags+=(--release)
    # cargo writes Cargo.lock beside Cargo.toml, so it gets a copy of the sources.
    rm -rf "$copy"
    mkdir -p "$copy"
    cp -R "$sources/server" "$copy/server"
    cp "$sources/truth.rs" "$copy/"
    (cd "$copy/server" && RUSTC=/usr/bin/rustc CARGO_HOME=$1/cargo-home \
        CARGO_TARGET_DIR=$1/server-target /usr/bin/cargo build --quiet --offline "${flags[@]}")
    cp "$1/server-target/$2/server" "$1/server-1.63-$2"
}
