#!/usr/bin/env bash
# Holds the instructions that operations take against `benches/gate.bounds`. Fair on a machine that is busy with other
# things: they are counted, by valgrind, and are the same in every run.
#
#     benches/gate.sh             fails if an operation takes more than its bound
#     benches/gate.sh --write     sets the bounds to what is counted and 3 % more
#
# Needs valgrind. Each operation is done N times and 2 N times: the difference is without what comes before and after.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly bounds=benches/gate.bounds times=1000
# More than so many percent below its bound, an operation asks for a new one.
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

count() { # count PROGRAM OPERATION: "OPERATION INSTRUCTIONS"
    local once twice
    once=$(collected "$1" "$2" "$times")
    twice=$(collected "$1" "$2" $((2 * times)))
    echo "$2 $(((twice - once) / times))"
}

collected() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 | sed -n 's/.*Collected : *//p' | grep .
}

if [[ ${1:-} == --count ]]; then
    count "$2" "$3"
    exit
fi

cargo build --quiet --profile bench -p virtnet-peers --bin gate
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/gate
rustc=$(rustc --version | cut -d ' ' -f 1,2)
# Sorted as the program lists them.
counts=$("$program" | xargs -P "$(nproc)" -I '{}' bash "$0" --count "$program" '{}')
counts=$("$program" | while read -r name; do grep "^$name " <<<"$counts"; done)

if [[ ${1:-} == --write ]]; then
    {
        echo "# The instructions that an operation may take. Written by benches/gate.sh --write, with"
        echo "# $rustc"
        awk '{ printf "%-30s %7d\n", $1, int($2 * 1.03) + 1 }' <<<"$counts"
    } >$bounds
fi

allowance=0
if ! grep -qx "# $rustc" $bounds; then
    allowance=$other_compiler
    echo "$rustc is not the compiler that the bounds are from: $allowance % more are allowed"
fi
awk -v allowance="$allowance" -v loose="$loose" '
    FNR == NR { if ($1 != "#") bound[$1] = $2; next }
    FNR == 1 { printf "%-30s %12s %8s\n", "operation", "instructions", "bound" }
    {
        note = ""
        if (!($1 in bound)) { note = "has no bound"; failed = 1 }
        else if ($2 > bound[$1] * (1 + allowance / 100)) { note = sprintf("%.1f %% too many", ($2 / bound[$1] - 1) * 100); failed = 1 }
        else if ($2 < bound[$1] * (1 - loose / 100)) { note = sprintf("%.1f %% below: benches/gate.sh --write", (1 - $2 / bound[$1]) * 100) }
        printf "%-30s %12d %8d  %s\n", $1, $2, bound[$1], note
        delete bound[$1]
    }
    END {
        for (name in bound) { print name " has a bound, and is no operation"; failed = 1 }
        exit failed
    }
' $bounds - <<<"$counts"
