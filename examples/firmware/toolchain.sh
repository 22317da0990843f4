# What builds for chips: to be sourced, by bash, in this directory.
# shellcheck shell=bash

# Cortex-M3, and Cortex-M0, which has no compare-and-swap.
readonly targets=(thumbv7m-none-eabi thumbv6m-none-eabi)

# Debian's: a Rust with the sources of `core`, and a linker.
readonly packages=(rustc-web cargo-web rust-web-src lld)

# What another build has set would be taken for these targets, too.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTC CARGO_BUILD_TARGET
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/firmware"
export CARGO_TERM_COLOR=never

# Ends the script, as it cannot do its work here.
skip() {
    echo "skipped: $1"
    exit 0
}

# install PACKAGE...: from the distribution, or skips.
install() {
    command -v apt-get >/dev/null || skip "$* is missing, and there is no apt-get to install it with"
    [[ $(id -u) == 0 ]] || skip "$* is missing: apt-get install $*"
    ../../.ci/install --no-install-recommends "$@" >/dev/null 2>&1 ||
        skip "the distribution has no $*, and no toolchain of rustup has ${targets[*]}"
}

# is_new_enough: whether the distribution's Rust is there, and no older than the manifest asks for.
is_new_enough() {
    local oldest installed
    dpkg -s "${packages[@]}" >/dev/null 2>&1 || return 1
    oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    installed=$(/usr/bin/rustc --version | cut -d ' ' -f 2)
    [[ $(printf '%s\n' "$oldest" "$installed" | sort -V | head -n 1) == "$oldest" ]]
}

# has_targets: whether the toolchain that `cargo` is has them all.
has_targets() {
    command -v rustup >/dev/null || return 1
    local installed target
    installed=$(rustup target list --installed 2>/dev/null) || return 1
    for target in "${targets[@]}"; do
        grep -qx "$target" <<<"$installed" || return 1
    done
}

# toolchain: sets `cargo` to what builds for the targets.
toolchain() {
    if has_targets; then
        cargo=cargo
    else
        is_new_enough || install "${packages[@]}"
        is_new_enough || skip "the distribution's Rust is older than the manifest asks for"
        cargo=/usr/bin/cargo
        export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
        export CARGO_TARGET_THUMBV7M_NONE_EABI_LINKER=ld.lld CARGO_TARGET_THUMBV6M_NONE_EABI_LINKER=ld.lld
    fi
    readonly cargo
    "$cargo" --version
}
