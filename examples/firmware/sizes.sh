#!/usr/bin/env bash
# Builds minimal firmware, prints how large it is as the table that stands in features.md, and fails if a row has grown
# past its bound in `sizes.bounds`. Says "skipped" and why, if that cannot be done here.
#
#     examples/firmware/sizes.sh            prints and compares
#     examples/firmware/sizes.sh --write    puts the table into features.md, and sets the bounds to what it says
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=toolchain.sh
source toolchain.sh

readonly page=../../features.md mode=${1:-}
readonly levels=(z s)
# Programs, and the features that each target takes them with: a Cortex-M0 has no compare-and-swap.
readonly programs=(empty blocking printed both nal twice second) traced_programs=(traced shown record)
declare -A features=([thumbv7m-none-eabi]=nal [thumbv6m-none-eabi]=nal,critical-section)

declare -A machines=(
    [thumbv7m-none-eabi]="-cpu cortex-m3 -machine lm3s6965evb"
    [thumbv6m-none-eabi]="-cpu cortex-m0 -machine microbit"
)

declare -A sizes

# measure TARGET LEVEL: fills `sizes`.
measure() {
    local program text data bss
    export CARGO_PROFILE_SIZE_OPT_LEVEL=$2
    "$cargo" build --quiet --locked --profile size --bins \
        --target "$1" --features "${features[$1]}"
    rm -rf "$CARGO_TARGET_DIR/$1/$2"
    mkdir -p "$CARGO_TARGET_DIR/$1/$2"
    for program in "${programs[@]}" types; do
        cp "$CARGO_TARGET_DIR/$1/size/size_$program" "$CARGO_TARGET_DIR/$1/$2/"
    done
    # Apart from the others, which are without the feature.
    "$cargo" build --quiet --locked --profile size "${traced_programs[@]/#/--bin=size_}" \
        --target "$1" --features "${features[$1]},trace"
    for program in "${traced_programs[@]}"; do
        cp "$CARGO_TARGET_DIR/$1/size/size_$program" "$CARGO_TARGET_DIR/$1/$2/"
    done
    "$cargo" build --quiet --locked --profile size --bin=size_faulty --target "$1" --features "${features[$1]},faults"
    cp "$CARGO_TARGET_DIR/$1/size/size_faulty" "$CARGO_TARGET_DIR/$1/$2/"
    for program in "${programs[@]}" "${traced_programs[@]}" faulty; do
        read -r text data bss < <(size "$CARGO_TARGET_DIR/$1/$2/size_$program" | awk 'NR == 2 { print $1, $2, $3 }')
        sizes[$1.$2.$program.text]=$text
        sizes[$1.$2.$program.data]=$data
        sizes[$1.$2.$program.bss]=$bss
    done
}

# instructions TARGET LEVEL NAME: how many instructions the program `record` counts for something.
instructions() {
    timeout 1m qemu-system-arm ${machines[$1]} -nographic -icount shift=0 \
        -semihosting-config enable=on,target=native -kernel "$CARGO_TARGET_DIR/$1/$2/size_record" </dev/null |
        awk -v name="$3" '$1 == name { print $2 }'
}

# measure_types TARGET: fills `sizes` with those of types.
measure_types() {
    local size name
    while read -r _ size _ name; do
        sizes[$1.${name#SIZE_}]=$((16#$size))
    done < <(nm -S "$CARGO_TARGET_DIR/$1/size/size_types" "$CARGO_TARGET_DIR/$1/size/size_traced" \
        "$CARGO_TARGET_DIR/$1/size/size_faulty" | grep ' SIZE_')
}

# over TARGET LEVEL PROGRAM OTHER: how much larger one program is than another, text and initialized data.
over() {
    echo $((sizes[$1.$2.$3.text] + sizes[$1.$2.$3.data] - sizes[$1.$2.$4.text] - sizes[$1.$2.$4.data]))
}

# What may call into core's panics: futures that are polled after their end, which no operation is; what checks the
# lengths of a copy; embedded-io's own loop; a lock taken twice; the program itself.
readonly may_panic='^<virtnet::net::dial::Dial<.* as core::future::future::Future>::poll$
^core::slice::copy_from_slice_impl
^<virtnet::net::conn::Conn<N> as embedded_io::Write>::write_all$
^virtnet::sync::lock::taken_twice$
^size_both::'

# panics TARGET LEVEL: what calls into core's panics, from outside of core, in the program `both`.
panics() {
    local program="$CARGO_TARGET_DIR/$1/$2/size_both"
    {
        nm -nC "$program" | grep -v ' [$]' | sed -nE 's/^([0-9a-f]+) [tT] (.*)/\1 f \2/p'
        # A function's address has its lowest bit set, which a call's has not.
        readelf -rW "$program" | awk '/R_ARM_THM_(CALL|JUMP)/ && /panicking|index_fail|mismatch_fail|unwrap_failed|expect_failed/ { print $1, "p" }'
    } | LC_ALL=C sort | awk '$2 == "f" { name = $0; sub(/^[^ ]* f /, "", name) } $2 == "p" { print name }' |
        grep -vE '^core::(panicking|slice::index)|_fail$' | sed -E 's/&?virtnet::net::subnet::SubNetwork<virtnet::pipenet::engine::Pipes<virtnet::pipenet::memory::fixed::FixedPipes>, virtnet::pipenet::ram::Ram<virtnet::table::fixed::Fixed<virtnet::pipenet::memory::fixed::FixedLink>>, virtnet::table::fixed::Fixed<virtnet::pipenet::memory::fixed::FixedLink>>/N/g' | sort -u
}

exceeded=0 measured=()
# row NAME TEXT UNIT COMMAND...: one row of the table, its value for each target (and level) against its bound.
row() {
    local name=$1 text=$2 cells="" target value bound key
    shift 2
    for target in "${targets[@]}"; do
        for key in "${columns[@]}"; do
            value=$("$1" "$target" "$key" "${@:2}")
            cells+=" $value |"
            measured+=("$name ${target%%-*}${key:+.$key} $value")
            bound=$(awk -v row="$name" -v column="${target%%-*}${key:+.$key}" '$1 == row && $2 == column { print $3 }' sizes.bounds)
            if [[ $mode == --write ]]; then
                continue
            elif [[ -z $bound ]]; then
                echo "sizes.bounds: no bound for $name ${target%%-*}${key:+.$key}, which is $value" >&2
                exceeded=1
            elif ((value > bound)); then
                echo "$name, ${target%%-*} ${key:+at \"$key\"}: $value is more than $bound" >&2
                exceeded=1
            fi
        done
    done
    echo "| $text |$cells"
}

section() { # of a program
    echo "${sizes[$1.$2.$3.$4]}"
}

type_size() { # TARGET "" NAME
    echo "${sizes[$1.$3]}"
}

per() { # TARGET "" WHAT: of sixteen
    echo $(((sizes[$1.MEMORY_$3] - sizes[$1.MEMORY_0] + 15) / 16))
}

table() {
    local columns=("${levels[@]}")
    echo '| flash, over the empty program | M3 "z" | M3 "s" | M0 "z" | M0 "s" |'
    echo '|---|---|---|---|---|'
    row empty "the empty program itself" section empty text
    row blocking "a network in a static, \`try_\` calls and blocking traits" over blocking empty
    row both "and futures" over both empty
    row nal "and futures by the traits of embedded-nal-async" over nal empty
    row printed "blocking, and errors printed" over printed empty
    row second "a second network of another capacity, over one of the same" over second twice
    row traced "the first program with a trace, over it" over traced blocking
    row shown "the program that prints with a trace that it prints, over it" over shown printed
    row faulty "the first program with faults and a clock, over it" over faulty blocking
    row data "initialized data (\`.data\`)" section both data
    row bss "zeroed data (\`.bss\`): the network" section both bss
    row traced_data "initialized data of the program with a trace: the network's name and options, and its counts" section traced data
    row faulty_data "initialized data of the program with faults, its \`FixedFaults<4>\` included" section faulty data
    row near "instructions of recording a write, whose connection had the newest event" instructions near
    row far "instructions of recording an event whose connection has none in a full \`EventRing<64>\`" instructions far
    echo
    columns=("")
    echo '| bytes | M3 | M0 |'
    echo '|---|---|---|'
    row host "\`Host\`" type_size HOST
    row listener "\`Listener\`" type_size LISTENER
    row conn "\`Conn\`" type_size CONN
    row addr "\`Addr\`" type_size ADDR
    row error "\`Error\`" type_size ERROR
    row dial "a dial under way" type_size DIAL
    row accept "an accept under way" type_size ACCEPT
    row ring "\`EventRing<64>\`" type_size RING
    row faults "\`FixedFaults<4>\`: 4 pairs of hosts, 4 connections" type_size FAULTS
    row memory "memory for 2 hosts, 4 sockets, 1 connection of 64 bytes a direction" type_size MEMORY_GOAL
    row memory_0 "of that, the network's" type_size MEMORY_0
    row memory_host "each host" per HOSTS
    row memory_port "each socket" per PORTS
    row memory_pipe "each connection, its 128 bytes of buffers included" per PIPES
}

# between MARK: what stands on the page between the marks, without them.
on_page() {
    sed -n '/^<!-- sizes:begin -->$/,/^<!-- sizes:end -->$/p' "$page" | sed '1d;$d'
}

# bounds: those of the rows. Code, which is flash at some level, may vary by a hundredth; data not.
bounds() {
    echo "# Row, column, bound: what \`sizes.sh\` compares with, and writes. Code may vary by a hundredth from compiler to"
    echo "# compiler, data not."
    echo
    printf '%s\n' "${measured[@]}" | awk '
        $1 !~ /^(data|bss|traced_data|faulty_data)$/ && $2 ~ /[.]/ { $3 = int(($3 * 1.01 + 63) / 64) * 64 }
        { print }'
}

toolchain
command -v qemu-system-arm >/dev/null || install qemu-system-arm
command -v nm >/dev/null && command -v size >/dev/null || install binutils
for target in "${targets[@]}"; do
    for level in "${levels[@]}"; do
        measure "$target" "$level"
    done
    measure_types "$target"
done

report=$(mktemp)
trap 'rm -f "$report" "$report.page"' EXIT
table >"$report"
cat "$report"

if [[ $mode == --write ]]; then
    awk -v report="$report" '
        /^<!-- sizes:begin -->$/ { print; while ((getline line < report) > 0) print line; inside = 1 }
        /^<!-- sizes:end -->$/ { inside = 0 }
        !inside && !/^<!-- sizes:begin -->$/ { print }
    ' "$page" >"$report.page"
    cat "$report.page" >"$page"
    bounds >sizes.bounds
elif ! diff <(on_page) "$report" >/dev/null; then
    # Another compiler makes other code: what counts are the bounds.
    echo "note: features.md has other numbers; --write puts these there"
fi
for target in "${targets[@]}"; do
    for level in "${levels[@]}"; do
        echo "calls of core's panics, $target at \"$level\":"
        panics "$target" "$level" | sed 's/^/    /'
        if panics "$target" "$level" | grep -vE "$may_panic"; then
            echo "these are new"
            exceeded=1
        fi
    done
done
[[ $exceeded == 0 ]] || exit 1
echo "no row has grown past its bound, and nothing new panics"
