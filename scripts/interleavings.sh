#!/bin/sh
# Runs the scenarios of `interleavings`, and those of SQLite's queues and threads, under the
# checker. Arguments go to the tests.
#
#   scripts/interleavings.sh                          all of them, about two minutes
#   scripts/interleavings.sh pending::                those with this in their name
#   scripts/interleavings.sh interleavings::          those of SQLite
#   INTERLEAVINGS=20000 scripts/interleavings.sh      more executions of each (1,000 by default)
#   SHUTTLE_RANDOM_SEED=7 scripts/interleavings.sh    other ones
#
# A failure prints its seed, or its schedule for `shuttle::replay`. Built apart from everything
# else, in target/shuttle.
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="${RUSTFLAGS:-} --cfg shuttle"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/shuttle"
cargo test --quiet -p interleavings --lib -- "$@"
# Of the tests in that crate those that are made for the checker.
[ $# -gt 0 ] || set -- interleavings::
cargo test --quiet -p cache-sqlite --lib -- "$@"
