#!/bin/sh
# Changes the policies, the fence and the flights of core in every small way that `cargo mutants`
# knows, and fails unless the tests find each change or `scripts/mutants-survivors.txt` answers it.
#
#   scripts/mutants.sh                     all of them: hours
#   scripts/mutants.sh --shard 0/8         a part
#   scripts/mutants.sh -f '**/map.rs'      those of a file
#
# Arguments go to `cargo mutants` (`cargo install cargo-mutants --locked`); what is changed stands in
# `.cargo/mutants.toml`. All that it found is in `target/mutants.out`.
set -eu
cd "$(dirname "$0")/.."
answers=scripts/mutants-survivors.txt
mkdir -p target
# What is not changed is tested first, with the tests that are asked each time.
cargo test --quiet --profile mutants -p cache-core -p tiers --lib --test engine -- --skip examples::
# A flight that stands still is found by its time.
status=0
cargo mutants --package cache-core --test-package cache-core,tiers \
    --baseline skip --timeout 120 --jobs 1 --output target --no-times "$@" || status=$?
# 2: some were not found. 3: some made the tests stand still, which is a find.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
# Without places, which change with every line above them.
unanswered=$(sed 's/:[0-9]*:[0-9]*: /: /' target/mutants.out/missed.txt |
    while read -r mutant; do grep -qxF "$mutant" "$answers" || echo "$mutant"; done)
if [ -n "$unanswered" ]; then
    echo "neither found nor answered in $answers:"
    echo "$unanswered"
    exit 1
fi
