#!/usr/bin/env bash
# Every static check. Stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}

step() {
	echo "lint: $*" >&2
	"$@"
}

unformatted=$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
	echo "lint: not formatted, run make fmt: $unformatted" >&2
	exit 1
fi
step "$GO" mod tidy -diff
step "$GO" vet ./...
step "$GO" tool staticcheck ./...
step "$GO" run ./internal/doccheck .
for os in windows darwin; do
	step env GOOS=$os "$GO" build ./...
	step env GOOS=$os "$GO" vet ./...
done
