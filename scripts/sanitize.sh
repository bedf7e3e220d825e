#!/bin/sh
# Runs the tests of the memory engine under AddressSanitizer: it has the only `unsafe` of the crate.
#
#   scripts/sanitize.sh              the engine, generic and behind the tiers
#   scripts/sanitize.sh sharded::    those with this in their name
#
# Built apart from everything else, in target/sanitize. Any toolchain will do.
set -eu
cd "$(dirname "$0")/.."
# Sanitizers are options of a nightly compiler; a stable one takes them when it is told so.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/sanitize"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1}"
target="$(rustc -vV | sed -n 's/^host: //p')"
[ $# -gt 0 ] || set -- sharded:: engine::tests policy:: curve::
cargo test --quiet -p cache-memory --lib --target "$target" -- "$@"
