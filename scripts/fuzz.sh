#!/bin/sh
# Runs a target of `fuzz` under libFuzzer.
#
#   scripts/fuzz.sh              every target for 60 seconds
#   scripts/fuzz.sh url          one target: envelope, event, codec, url or key
#   scripts/fuzz.sh url 600      for so many seconds
#
# It begins from fuzz/seeds; what it finds of interest is kept in fuzz/corpus, and an input that
# fails in fuzz/artifacts, with the command that repeats it. Needs a C++ compiler, and cargo-fuzz,
# which it installs where that is absent. Any toolchain will do.
set -eu
cd "$(dirname "$0")/.."
targets="${1:-envelope event codec url key}"
seconds="${2:-60}"
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
# Sanitizers are options of a nightly compiler; a stable one takes them when it is told so.
export RUSTC_BOOTSTRAP=1
for target in $targets; do
    if [ ! -f "fuzz/targets/$target.rs" ]; then
        echo "there is no target \`$target\`: envelope, event, codec, url or key" >&2
        exit 2
    fi
    echo "== $target, $seconds s"
    mkdir -p "fuzz/corpus/$target"
    # A text is rarely longer than this, and a payload needs no more to take every way. An input
    # that takes over 10 seconds or asks for over 512 MiB at once fails as well.
    cargo fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=2048 -timeout=10 -malloc_limit_mb=512 \
        -print_final_stats=1
done
