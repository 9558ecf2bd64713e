#!/usr/bin/env bash
# Runs the simulated cluster through so many schedules of faults (5000), with the race
# detector, BATCH (500) in each process: the detector's memory of a process only grows.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
seeds=${1:-5000}
batch=${BATCH:-500}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$GO" test -race -c -o "$dir/presence.test" ./presence
cd presence # where go test would run it
for ((from = 0; from < seeds; from += batch)); do
	n=$((seeds - from < batch ? seeds - from : batch))
	"$dir/presence.test" -test.v -test.timeout 10m -test.run '^TestSimulation$' -from "$from" -seeds "$n"
done
