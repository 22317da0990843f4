#!/usr/bin/env bash
# Proof that the tests find faults: makes those that `mutations` lists, one at a time, in a copy of this repository, and
# runs for each the test that has to fail then.
#
#     members/proof/mutate.sh          all of them
#     members/proof/mutate.sh 3 17     these, by their numbers in the table
#
# Prints a table, and in the end "N mutations, M caught". Fails if one survives, if one does not fit the code any more or
# does not compile, and if a test fails without any.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
list=$root/members/proof/mutations

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/mutants"
readonly root list
# Most of the time goes into compiling. A mutation may leave something unused, which is no error here.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1 CARGO_TERM_COLOR=never RUSTFLAGS=""
# Enough for what is listed, and a part of what these tests run otherwise.
export VIRTNET_SEQUENCES=3000 VIRTNET_INPUTS=400
# A test that takes this many seconds hangs, which is a failure like others. All tests of a file may take longer.
limit=16
readonly limit_of_all=90

main() {
    local number misfits=0 tried caught group jobs=() failed=0 chosen=("$@")
    local -A mutation
    each_mutation check
    [[ $misfits == 0 ]] || give_up "$misfits mutations do not fit the code any more"
    mkdir -p "$CARGO_TARGET_DIR"
    # Each group compiles packages or features of its own, mostly on one core.
    for group in crate layers proof; do
        try_group "$group" >"$CARGO_TARGET_DIR/$group.table" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || failed=1
    done
    echo "| | mutation | caught by | seconds |"
    echo "|--:|---|---|--:|"
    sort -t'|' -k2n "$CARGO_TARGET_DIR"/{crate,layers,proof}.table
    tried=$(cat "$CARGO_TARGET_DIR"/{crate,layers,proof}.table | wc -l)
    caught=$(cat "$CARGO_TARGET_DIR"/{crate,layers,proof}.table | grep -vcF '**it survives**' || true)
    echo "$tried mutations, $caught caught"
    [[ $failed == 0 && $tried -gt 0 && $caught == "$tried" ]]
}

# Tries the mutations that tests of one package, or of its layers, have to catch, in a copy and a target directory of its own.
try_group() { # try_group GROUP
    local group=$1 test tests=()
    export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/$group"
    copy=$CARGO_TARGET_DIR/copy log=$CARGO_TARGET_DIR/log
    each_mutation note_test
    [[ ${#tests[@]} -gt 0 ]] || return 0
    start_copy
    for test in $(printf '%s\n' "${tests[@]}" | sort -u); do
        build "$test" && run "$test" || give_up "the test $test fails without a mutation" "$log"
    done
    each_mutation try
}

# Whether the `mutation` is among those to try, in this group.
is_chosen() {
    [[ ${#chosen[@]} == 0 || " ${chosen[*]} " == *" $number "* ]] || return 1
    case ${mutation[caught by]%% *} in
        model | inputs | found) [[ $group == proof ]] ;;
        trace | export | bridge | layer | outsider_traced) [[ $group == layers ]] ;;
        *) [[ $group == crate ]] ;;
    esac
}

# Notes the test of the `mutation`.
note_test() {
    is_chosen || return 0
    tests+=("${mutation[caught by]%% *}")
}

# Calls a function for each block of the list, which is the `mutation` then.
each_mutation() {
    local line key value
    number=0 mutation=()
    while IFS= read -r line <&3; do
        key=${line%%:*} value=${line#*:}
        if [[ $line && $line != '#'* ]]; then
            mutation[$key]=${value#"${value%%[![:blank:]]*}"}
        elif [[ ! $line && ${#mutation[@]} -gt 0 ]]; then
            number=$((number + 1))
            "$1"
            mutation=()
        fi
    done 3< <(cat "$list" && echo)
}

# Sees to it that the `mutation` fits.
check() {
    mutate "$root/${mutation[file]}" >/dev/null && return
    misfits=$((misfits + 1))
    echo "mutation $number: not once in ${mutation[file]}: ${mutation[old]}" >&2
}

# Copies all there is to compile. It is newer than what was compiled of an earlier copy.
start_copy() {
    rm -rf "$copy"
    mkdir -p "$copy"
    tar -C "$root" --exclude=target --exclude=.git -cf - . | tar -C "$copy" -xmf -
}

# Tries the `mutation`.
try() {
    is_chosen || return 0
    local start=$SECONDS file=${mutation[file]} test filter by
    read -r test filter <<<"${mutation[caught by]}"
    mutate "$root/$file" >"$copy/$file"
    build "$test" || give_up "mutation $number does not compile: ${mutation[new]}" "$log"
    if run "$test" "$filter"; then
        by="nothing: **it survives** ${mutation[caught by]}"
    else
        by=$(failures "$test" $?)
    fi
    cp "$root/$file" "$copy/$file"
    echo "| $number | ${file#src/}: ${mutation[fault]} | $by | $((SECONDS - start)) |"
}

# Prints a file with the old text of the `mutation` replaced, if it is there once.
mutate() {
    OLD=${mutation[old]} NEW=${mutation[new]} WITHIN=${mutation[within]:-} awk '
        BEGIN { old = ENVIRON["OLD"]; within = ENVIRON["WITHIN"]; inside = within == "" }
        within != "" && index($0, within) {
            places++
            inside = match($0, /[^ ]/)
            end = substr($0, 1, RSTART - 1) "}"
        }
        inside && (at = index($0, old)) {
            found += 1 + (index(substr($0, at + 1), old) > 0)
            $0 = substr($0, 1, at - 1) ENVIRON["NEW"] substr($0, at + length(old))
        }
        { print }
        within != "" && $0 == end { inside = 0 }
        END { exit !(old != "" && found == 1 && (within == "" || places == 1)) }
    ' "$1"
}

# Compiles a test.
build() {
    limit=600 in_copy "$1" --no-run
}

# Runs a test that is compiled, all of it or what has that name.
run() {
    local limit=$limit
    [[ ${2:-} ]] || limit=$limit_of_all
    in_copy "$1" -- ${2:+"$2"}
}

in_copy() { # in_copy TEST [OPTION...]
    local options
    case $1 in
        # Optimized, it would take ten times as long to compile.
        model | inputs | found)
            options=(-p virtnet-proof --all-features --test "$1" --config profile.dev.package.virtnet-proof.opt-level=0)
            ;;
        bridge) options=(-p virtnet --features bridge --test bridge) ;;
        trace) options=(-p virtnet --features json --test trace) ;;
        export) options=(-p virtnet --features pcapng --test trace) ;;
        clock | faults | fixed_faults) options=(-p virtnet --features sim --test "$1") ;;
        layer | outsider_traced) options=(-p virtnet --features testing,trace --test "$1") ;;
        unit) options=(-p virtnet --features testing --lib) ;;
        *) options=(-p virtnet --features testing --test "$1") ;;
    esac
    (cd "$copy" && timeout -k 5 $limit cargo test "${options[@]}" "${@:2}") >"$log" 2>&1
}

# Prints how a test that ended with that status failed.
failures() {
    local names=()
    mapfile -t names < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
    case ${#names[@]} in
        0) [[ $2 == 124 || $2 == 137 ]] && echo "$1: hangs" || echo "$1: aborts" ;;
        1) echo "$1: ${names[0]}" ;;
        *) echo "$1: ${names[0]}, and $((${#names[@]} - 1)) more" ;;
    esac
}

give_up() { # give_up WHY [LOG]
    [[ $# == 1 ]] || tail -n 40 "$2" >&2
    echo "$1" >&2
    exit 1
}

main "$@"
