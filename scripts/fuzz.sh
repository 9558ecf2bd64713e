#!/usr/bin/env bash
# Runs every fuzz target in the module for FUZZTIME each.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-5s}

targets=$(git ls-files --cached --others --exclude-standard '*_test.go' |
	xargs grep -Hos '^func Fuzz[A-Za-z0-9_]*' || true)
if [ -z "$targets" ]; then
	echo "fuzz: no targets found" >&2
	exit 1
fi
while IFS=: read -r file func; do
	name=${func#func }
	echo "fuzz: $name in ./$(dirname "$file")" >&2
	"$GO" test -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZTIME" "./$(dirname "$file")"
done <<<"$targets"
