#!/bin/bash
# demo.sh: on a fresh Debian 12, as root: installs what is needed, builds asyncrec,
# builds a tokio and hyper server with clients, records it and prints the report.
set -euo pipefail

source=$(realpath "$(dirname "$0")/..")
build=${BUILD_DIR:-$source/build}
. "$source/tests/packages.sh"

install_packages "${build_packages[@]}" rustc cargo librust-tokio-dev librust-hyper-dev
cmake -S "$source" -B "$build" -D BUILD_TESTING=OFF
cmake --build "$build" --parallel "$(nproc)"
. "$source/tests/build_cargo.sh"
build_cargo "$build/demo" /usr/bin/rustc 1.63 debug server server
"$build/asyncrec" -o "$build/demo/trace.db" "$build/demo/server-1.63-debug"
"$build/asyncreport" "$build/demo/trace.db"
