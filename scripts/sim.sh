#!/usr/bin/env bash
# Runs the simulated cluster through so many schedules of faults (5000): every fifth batch of
# BATCH (250) with the race detector, which makes them six times as slow, the others without.
# Each batch is a process of its own: the detector's memory of a process only grows.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
seeds=${1:-5000}
batch=${BATCH:-250}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$GO" test -race -c -o "$dir/race.test" ./presence/internal/engine
"$GO" test -c -o "$dir/plain.test" ./presence/internal/engine
cd presence/internal/engine # where go test would run it
for ((from = 0; from < seeds; from += batch)); do
	n=$((seeds - from < batch ? seeds - from : batch))
	binary=plain.test
	((from / batch % 5 == 0)) && binary=race.test
	"$dir/$binary" -test.v -test.timeout 10m -test.run '^TestSimulation$' -from "$from" -seeds "$n"
done
