#!/usr/bin/env bash
# Holds the instructions and allocations that operations take, and the bytes that connections do, against
# `benches/gate.bounds`. Fair on a machine that is busy with other things: they are counted, instructions by valgrind, and
# are the same in every run.
#
#     benches/gate.sh             fails if something takes more than its bound
#     benches/gate.sh --write     sets the bounds to what is counted, and 3 % more for instructions
#
# Needs valgrind. Each operation is done N times and 2 N times: the difference is without what comes before and after.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly bounds=benches/gate.bounds times=1000
# A trace moves its events a few thousand at a time.
readonly traced_times=20000
# More than so many percent below its bound, instructions ask for a new one. Memory does if it is below at all.
readonly loose=10
# So many percent more are allowed to another compiler than the one that the bounds are from.
readonly other_compiler=10

if [[ $(uname -sm) != "Linux x86_64" ]]; then
    echo "skipped: the bounds are those of x86-64 Linux"
    exit
fi
command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install -y valgrind"; exit 1; }

# Copies are the same instructions on every processor then.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM

count() { # count PROGRAM OPERATION: "instructions OPERATION COUNT"
    local once twice often=$times
    [[ $1 != *_traced ]] || often=$traced_times
    once=$(collected "$1" "$2" "$often")
    twice=$(collected "$1" "$2" $((2 * often)))
    echo "instructions $2 $(((twice - once) / often))"
}

collected() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 | sed -n 's/.*Collected : *//p' | grep .
}

if [[ ${1:-} == --count ]]; then
    count "$2" "$3"
    exit
fi

cargo build --quiet --profile bench -p virtnet-peers --bin gate --bin peers_memory
# Another program, as a network is compiled otherwise with the feature `trace`.
cargo build --quiet --profile bench -p virtnet-peers --features trace --bin gate_traced
programs=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
rustc=$(rustc --version | cut -d ' ' -f 1,2)
# Sorted as the program lists them.
counts=$(for program in "$programs"/gate{,_traced}; do
    names=$("$program")
    some=$(xargs -P "$(nproc)" -I '{}' bash "$0" --count "$program" '{}' <<<"$names")
    while read -r name; do grep " $name " <<<"$some"; done <<<"$names"
done
"$programs/peers_memory" gate)

if [[ ${1:-} == --write ]]; then
    {
        echo "# What operations may take of instructions and allocations, and connections of bytes: what, whose, and how"
        echo "# many at most. Written by benches/gate.sh --write, with"
        echo "# $rustc"
        awk '{ printf "%-12s %-30s %7s\n", $1, $2, $1 == "instructions" ? int($3 * 1.03) + 1 : $3 }' <<<"$counts"
    } >$bounds
fi

allowance=0
if ! grep -qx "# $rustc" $bounds; then
    allowance=$other_compiler
    echo "$rustc is not the compiler that the bounds are from: $allowance % more are allowed"
fi
awk -v allowance="$allowance" -v loose="$loose" '
    { name = sprintf("%-12s %-30s", $1, $2) }
    FNR == NR { if ($1 != "#") bound[name] = $3; next }
    FNR == 1 { printf "%-43s %8s %8s\n", "what", "count", "bound" }
    {
        note = ""
        known = name in bound
        most = bound[name] * (1 + allowance / 100)
        least = bound[name] * (1 - ($1 == "instructions" ? loose : 0) / 100)
        if (!known) { note = "has no bound"; failed = 1 }
        else if ($3 > most) { note = sprintf("%g too many", $3 - most); failed = 1 }
        else if ($3 < least) { note = sprintf("%g fewer: benches/gate.sh --write", bound[name] - $3) }
        printf "%s %8s %8s  %s\n", name, $3, bound[name], note
        delete bound[name]
    }
    END {
        for (name in bound) { print name " has a bound, and is not counted"; failed = 1 }
        exit failed
    }
' $bounds - <<<"$counts"
