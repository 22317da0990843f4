#!/usr/bin/env bash
# What operations are made of: the functions that take the most of their instructions, as valgrind counts them. Inlined
# ones are part of those that they are inlined into.
#
#     benches/profile.sh                 writes it into `benches/README.md`, for each operation that has a place there,
#                                        between `<!-- profile: OPERATION -->` and `<!-- end -->`
#     benches/profile.sh OPERATION...    prints it for these, of `benches/gate/operation.rs`
#
# Needs valgrind. As in gate.sh, the difference of two runs is what an operation takes.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly page=benches/README.md times=10000 shown=12

command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install -y valgrind"; exit 1; }

# Copies are the same instructions on every processor then.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM

table() { # table PROGRAM OPERATION
    local once twice
    once=$(functions "$1" "$2" "$times")
    twice=$(functions "$1" "$2" $((2 * times)))
    {
        awk -F '\t' '{ print -$1 "\t" $2 }' <<<"$once"
        echo "$twice"
    } | awk -F '\t' -v times="$times" '
        { cost[$2] += $1 }
        END { for (name in cost) printf "%.0f\t%s\n", cost[name] / times, name }
    ' | sort -t $'\t' -k 1,1nr -k 2 | awk -F '\t' -v shown="$shown" -v operation="$2" '
        NR == 1 { print "| function | instructions |\n|---|--:|" }
        { all += $1 }
        NR <= shown { printf "| `%s` | %d |\n", $2, $1; next }
        { others += $1 }
        END { printf "| others | %d |\n| all of `%s` | %d |\n", others, operation, all }
    '
}

functions() { # functions PROGRAM OPERATION TIMES: "INSTRUCTIONS FUNCTION", of each by itself
    local out
    out=$(mktemp)
    valgrind --quiet --tool=callgrind --callgrind-out-file="$out" --compress-strings=no --compress-pos=no "$@"
    awk '
        /^fn=/ { name = substr($0, 4); sub(/\047[0-9]+$/, "", name); gsub(/\|/, "\\|", name) }
        /^calls=/ { getline; next }
        /^[0-9]/ { cost[name] += $2 }
        END { for (name in cost) printf "%d\t%s\n", cost[name], name }
    ' "$out"
    rm -f "$out"
}

if [[ ${1:-} == --table ]]; then
    table "$2" "$3" >"$4/$3"
    exit
fi

cargo build --quiet --profile bench -p virtnet-peers --bin gate
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/gate

if [[ $# -gt 0 ]]; then
    for operation in "$@"; do
        table "$program" "$operation"
    done
    exit
fi

tables=$(mktemp -d)
trap 'rm -rf "$tables"' EXIT
sed -n 's/^<!-- profile: \(.*\) -->$/\1/p' $page \
    | xargs -P "$(nproc)" -I '{}' bash "$0" --table "$program" '{}' "$tables"
awk -v tables="$tables" '
    /^<!-- end -->$/ { inside = 0 }
    !inside
    /^<!-- profile: / { inside = 1; while ((getline line < (tables "/" $3)) > 0) print line }
' $page >"$tables/page"
cat "$tables/page" >$page
