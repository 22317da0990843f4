#!/usr/bin/env bash
# Builds the test firmware for each chip and runs it in QEMU. Says "skipped" and why, if that cannot be done here.
#
#     examples/firmware/run.sh
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=toolchain.sh
source toolchain.sh

# No case takes this long unless it hangs.
readonly limit=2m

# run TARGET FEATURES: exits with the status of the firmware.
run() {
    echo "== $1, features: ${2:-none}"
    "$cargo" build --quiet --locked --release --bin firmware --target "$1" --features "$2"
    timeout "$limit" "$cargo" run --quiet --locked --release --bin firmware --target "$1" --features "$2" </dev/null
}

# breaks TARGET FEATURES: one expectation does not hold, and the run must say so.
breaks() {
    local output
    if output=$(run "$1" "$2,broken" 2>&1); then
        echo "$output"
        echo "$1: the run must fail when an expectation does not hold"
        return 1
    fi
    grep -F 'FAILED: ' <<<"$output" || { echo "$output"; return 1; }
    echo "broken on purpose, $1: the run fails, as it must"
}

toolchain
command -v qemu-system-arm >/dev/null || install qemu-system-arm
qemu-system-arm --version | head -n 1

run thumbv7m-none-eabi ""
run thumbv7m-none-eabi trace
run thumbv7m-none-eabi critical-section,trace
run thumbv6m-none-eabi critical-section
run thumbv6m-none-eabi critical-section,trace
run thumbv7m-none-eabi faults
run thumbv6m-none-eabi critical-section,faults

breaks thumbv7m-none-eabi ""
breaks thumbv6m-none-eabi critical-section

# Without compare-and-swap, the build says what to enable.
if output=$("$cargo" build --locked --release --bin firmware --target thumbv6m-none-eabi 2>&1); then
    echo "thumbv6m-none-eabi has no compare-and-swap: the build must fail without the feature critical-section"
    exit 1
fi
grep -F "enable virtnet's feature \`critical-section\`" <<<"$output"

echo "all as expected"
