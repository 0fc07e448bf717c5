# packages.sh: sourced by the scripts that install. What is there already is left alone.

# To build: compiler, build tools, the libraries that README names.
build_packages=(gcc libc6-dev make cmake pkg-config mawk libelf-dev libdw-dev libtraceevent-dev
    libsqlite3-dev libzydis-dev uthash-dev libiberty-dev libjansson-dev libmsgpack-dev
    libxxhash-dev)

install_packages() { # PACKAGE...
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
