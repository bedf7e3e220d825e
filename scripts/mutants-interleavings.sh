#!/bin/sh
# Breaks one rule of the engine after the other, and fails unless a scenario finds each of them.
#
#   scripts/mutants-interleavings.sh                all of interleavings/mutants.txt
#   scripts/mutants-interleavings.sh near_first ..  these
#
# Dependencies are built once: the cfg of a mutant is given to the crates of the workspace alone.
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="${RUSTFLAGS:-} --cfg shuttle"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/shuttle"
export RUST_BACKTRACE=0
mkdir -p "$CARGO_TARGET_DIR/mutants"
wrappers="$(cd "$CARGO_TARGET_DIR/mutants" && pwd)"
missed=""
found=0
while read -r mutant scenario; do
    case "$mutant" in "" | \#*) continue ;; esac
    case "$*" in "") ;; *) case " $* " in *" $mutant "*) ;; *) continue ;; esac ;; esac
    case "$scenario" in
    interleavings::*) package=cache-sqlite ;;
    bias::*) package=cache-memory ;;
    *) package=interleavings ;;
    esac
    wrapper="$wrappers/$mutant"
    printf '#!/bin/sh\nexec "$@" --cfg '"'"'mutant="%s"'"'"'\n' "$mutant" >"$wrapper"
    chmod +x "$wrapper"
    export RUSTC_WORKSPACE_WRAPPER="$wrapper"
    cargo test --quiet -p "$package" --lib --no-run </dev/null
    output="$wrapper.log"
    # An exit by an error of the build, or of a filter that names nothing, is no find.
    if cargo test --quiet -p "$package" --lib -- "$scenario" </dev/null >"$output" 2>&1; then
        missed="$missed $mutant"
        echo "MISSED  $mutant by $scenario"
    elif grep -q '^test result: FAILED' "$output"; then
        found=$((found + 1))
        reason=$(grep -A1 ' panicked at ' "$output" | grep -v ' panicked at ' | head -n 1)
        echo "found   $mutant: $reason"
    else
        cat "$output"
        missed="$missed $mutant"
        echo "UNCLEAR $mutant: the scenarios did not come to an end"
    fi
done <interleavings/mutants.txt
if [ -n "$missed" ]; then
    echo "missed:$missed"
    exit 1
fi
[ "$found" -gt 0 ] || { echo "no such mutant"; exit 1; }
echo "$found found, none missed"
