#!/bin/sh
# Runs the scenarios of `interleavings`, those of memory's readers without a lock, and those of
# SQLite's queues and threads, under the checker. Arguments go to the tests.
#
#   scripts/interleavings.sh                          all of them, about two minutes
#   scripts/interleavings.sh pending::                those with this in their name
#   scripts/interleavings.sh bias::                   those of memory's readers
#   scripts/interleavings.sh interleavings::          those of SQLite
#   INTERLEAVINGS=20000 scripts/interleavings.sh      more executions of each (1,000 by default)
#   SHUTTLE_RANDOM_SEED=7 scripts/interleavings.sh    other ones
#
# A failure prints its seed, or its schedule for `shuttle::replay`. Built apart from everything
# else, in target/shuttle and target/loom.
set -eu
cd "$(dirname "$0")/.."
flags="${RUSTFLAGS:-}"
target="${CARGO_TARGET_DIR:-target}"
export RUSTFLAGS="$flags --cfg shuttle"
export CARGO_TARGET_DIR="$target/shuttle"
if [ $# -gt 0 ]; then
    cargo test --quiet -p interleavings --lib -- "$@"
    case "$1" in bias::*) cargo test --quiet -p cache-memory --lib -- "$@" ;; esac
    cargo test --quiet -p cache-sqlite --lib -- "$@"
else
    cargo test --quiet -p interleavings --lib
    # Of the tests in these crates those that are made for the checker.
    cargo test --quiet -p cache-memory --lib -- bias::
    cargo test --quiet -p cache-sqlite --lib -- interleavings::
fi
case "${1:-bias::}" in bias::*) ;; *) exit 0 ;; esac
# The same readers under loom, which tries the orders that memory may have, too.
export RUSTFLAGS="$flags --cfg loom"
export CARGO_TARGET_DIR="$target/loom"
cargo test --quiet --release -p interleavings --lib -- bias::
