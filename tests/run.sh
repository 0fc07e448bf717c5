#!/bin/bash
# run.sh [CTEST OPTION...]: on a fresh Debian 12, as root: installs what the tests
# need, builds everything and runs all tests.
set -euo pipefail

source=$(realpath "$(dirname "$0")/..")
build=${BUILD_DIR:-$source/build}
. "$source/tests/packages.sh"

install_packages "${build_packages[@]}" bats libcmocka-dev sqlite3 util-linux clang-format \
    clang-tidy valgrind man-db libxml2-utils llvm sccache sq aardvark-dns
cmake -S "$source" -B "$build"
cmake --build "$build" --parallel "$(nproc)"
cmake --build "$build" --target subjects
cd "$build"
exec ctest --parallel "$(nproc)" --output-on-failure "$@"
