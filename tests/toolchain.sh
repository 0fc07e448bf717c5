#!/bin/bash
# toolchain.sh DIR: installs what the tests need from Debian, and lays a current
# rustc beside the distribution's own, in DIR. Does nothing that is done already.
set -euo pipefail

dir=$1
. "$(dirname "$0")/packages.sh"
install_packages rustc cargo librust-tokio-dev librust-hyper-dev librust-smol-dev \
    librust-async-std-dev librust-futures-dev libllvm22 gcc binutils

works() {
    LD_LIBRARY_PATH=$dir/usr/lib/x86_64-linux-gnu "$dir/usr/bin/rustc" --sysroot "$dir/usr" \
        --version
}

# Written last, so that a broken-off run is not taken for a finished one.
if [ -e "$dir/complete" ] && works; then
    exit 0
fi

rm -rf "$dir"
mkdir -p "$dir/packages"
cd "$dir/packages"
apt-cache show --no-all-versions rustc-web >/dev/null 2>&1 || apt-get update -qq

depends() { # PACKAGE WORD: the package in PACKAGE's Depends that begins with WORD
    apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr ',' '\n' |
        sed 's/^ *//; s/ .*//' | grep "^$2" | head -n 1
}
library=$(depends rustc-web libstd-rust-web)
shared=$(depends "$library" libstd-rust-web)
apt-get download -qq rustc-web "$library" "$shared"
for package in *.deb; do
    dpkg -x "$package" "$dir"
done
cd /
rm -rf "$dir/packages"
works
touch "$dir/complete"
