#!/bin/sh
# Shows that the tests can fail: builds the workspace with each fault switched on by
# `--cfg mutant="<name>"`, and asks that the model test or the engine's tests find it.
#
#   scripts/mutants-model.sh                    all of them
#   scripts/mutants-model.sh late_stamp ..      these
#
# The model test is asked first, over 1,500 sequences of its two tests without SQLite.
#
# Each takes a build of the workspace's own crates (dependencies are shared), which is most of the
# time. Not a part of `cargo xtask ci`.
#
# | mutant             | what it breaks                                                         | of  |
# |--------------------|------------------------------------------------------------------------|-----|
# | join_blindly       | a waiter takes what a flight brought that began before its invalidation | I2  |
# | late_stamp         | storages are filled with a stamp from after the load                    | I2  |
# | memory_unfenced    | memory is filled whatever was invalidated meanwhile                     | I2  |
# | memory_before_only | an invalidation does not come to memory again after the storages        | I2  |
# | near_first         | invalidations go from the nearest storage to the farthest               | I2  |
# | no_second_round    | nearer tiers are not told again when a pending invalidation has landed  | I2  |
# | pending_read       | a storage is read although an invalidation of it is pending             | I2  |
# | no_join            | every caller opens a flight of its own                                  | I1  |
# | ttl_grows          | a copy lives as long as a new entry would                               | I3  |
# | serve_expired      | memory serves what is past its time                                     | I9  |
set -eu
cd "$(dirname "$0")/.."
folder=target/mutants
mkdir -p "$folder"
all=$(sed -n 's/^# | \([a-z_]*\)  *| .*| I[0-9].*/\1/p' scripts/mutants-model.sh)
survived=
for mutant in ${*:-$all}; do
    # A wrapper of its own name: only the workspace's crates are built anew.
    wrapper="$PWD/$folder/$mutant"
    printf '#!/bin/sh\nexec "$@" --cfg '"'"'mutant="%s"'"'"'\n' "$mutant" >"$wrapper"
    chmod +x "$wrapper"
    begun=$(date +%s)
    export RUSTC_WORKSPACE_WRAPPER="$wrapper" RUST_BACKTRACE=0
    by=
    for test in model engine; do
        case $test in
        # Those that run turn by turn alike each time.
        model) chosen="failing_storages tiny_memory" ;;
        # Those that say nothing about the engine's promises.
        engine) chosen="--skip config --skip examples" ;;
        esac
        log="$folder/$mutant-$test.log"
        if ! TIERS_MODEL_SEQUENCES=${TIERS_MODEL_SEQUENCES:-1500} cargo test --quiet -p tiers \
            --test $test -- $chosen >"$log" 2>&1
        then
            grep -q 'test result: FAILED' "$log" || { cat "$log"; exit 2; }
            by=$test
            break
        fi
    done
    echo "$mutant: found by ${by:-none}, $(($(date +%s) - begun)) s"
    [ -n "$by" ] || survived="$survived $mutant"
done
[ -z "$survived" ] || { echo "survived:$survived"; exit 1; }
