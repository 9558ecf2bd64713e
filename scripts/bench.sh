#!/usr/bin/env bash
# Measures what operations cost: beside other servers, or with BASE (a commit)
# beside the command as it was there. ROUNDS is how often; ONLY is a word that
# the names of the rows must have, such as everyday.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}

if [ -z "${BASE:-}" ]; then
	(cd bench/node && npm ci --no-audit --no-fund) || echo "bench: Socket.IO on Node is left out" >&2
	exec "$GO" run ./bench -rounds "${ROUNDS:-0}" -only "${ONLY:-}"
fi

commit=$(git rev-parse --verify "$BASE^{commit}")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git archive "$commit" | tar -x -C "$tree"
(cd "$tree" && "$GO" build -o base-realtime ./cmd/realtime)
"$GO" run ./bench -rounds "${ROUNDS:-0}" -only "${ONLY:-}" -base "$tree/base-realtime"
