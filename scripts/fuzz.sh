#!/usr/bin/env bash
# Runs every fuzz target in the module for FUZZTIME each, and says how many inputs
# each of them tried. Go's default would spend up to a minute on making one new
# input smaller, in which nothing else is tried.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-5s}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Up to Go 1.26 the end of -fuzztime itself may be reported as a failure, when
# it falls between two steps of the coordinator (go.dev/issue/75804). That one
# has no failing input, and is not shown; every other failure counts.
fuzz() {
	"$GO" test -run '^$' -fuzz "^$1\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 5x "$2" 2>&1 |
		tee "$log" | sed -u '/^--- FAIL/,$d' && return
	if grep -q '^    context deadline exceeded$' "$log" && ! grep -qE 'Failing input|panic:|_test\.go:' "$log"; then
		echo "fuzz: $1: only its time ran out (go.dev/issue/75804)" >&2
		return
	fi
	sed -n '/^--- FAIL/,$p' "$log"
	return 1
}

targets=$(git ls-files --cached --others --exclude-standard '*_test.go' |
	xargs grep -Hos '^func Fuzz[A-Za-z0-9_]*' || true)
if [ -z "$targets" ]; then
	echo "fuzz: no targets found" >&2
	exit 1
fi
summary=
while IFS=: read -r file func; do
	name=${func#func }
	echo "fuzz: $name in ./$(dirname "$file")" >&2
	fuzz "$name" "./$(dirname "$file")"
	summary+="$(printf '%12s  %s' "$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -1)" "$name")"$'\n'
done <<<"$targets"
printf 'fuzz: inputs tried\n%s' "$summary"
