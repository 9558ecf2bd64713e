#!/usr/bin/env bash
# Runs two lists of make targets side by side: the first one computes, the second one
# mostly waits. What the first one says is shown when it has ended.
set -euo pipefail
cd "$(dirname "$0")/.."
make=${MAKE:-make}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # lists of targets
"$make" --no-print-directory $1 >"$log" 2>&1 &
first=$!
status=0
# shellcheck disable=SC2086
"$make" --no-print-directory $2 || status=$?
wait "$first" || status=$?
cat "$log"
exit "$status"
