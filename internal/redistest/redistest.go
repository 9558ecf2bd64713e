// Package redistest starts real redis-server processes for tests: single ones,
// a Redis Cluster with replicas, and masters watched by Sentinels. It can hurt
// them in the ways that happen: kill, freeze, restart empty or with the data,
// fail over, move slots, cut subscribers.
//
// Start, StartCluster and StartSentinel tie the processes to a test; Launch,
// LaunchCluster and LaunchSentinel do the same without one. Nothing is left
// behind, neither process nor file, also when the starting process is killed.
// Everything listens on free ports of 127.0.0.1 only, outside the range that
// systems give to outgoing connections: a killed server gets its port again.
package redistest

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"
)

// formTime bounds the wait for several servers to work together.
const formTime = time.Minute

// Start is Launch for a test: it fails the test when the server does not start,
// and closes it when the test ends. A missing redis-server fails the test: it
// is needed, and a skipped test proves nothing.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	s, err := Launch(args...)
	check(tb, err)
	tb.Cleanup(s.Close)
	return s
}

// StartCluster is LaunchCluster for a test, as Start is Launch.
func StartCluster(tb testing.TB, masters, replicas int, args ...string) *Cluster {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), formTime)
	defer cancel()
	c, err := LaunchCluster(ctx, masters, replicas, args...)
	check(tb, err)
	tb.Cleanup(c.Close)
	return c
}

// StartSentinel is LaunchSentinel for a test, as Start is Launch.
func StartSentinel(tb testing.TB, replicas, sentinels int) *Sentinel {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), formTime)
	defer cancel()
	s, err := LaunchSentinel(ctx, replicas, sentinels)
	check(tb, err)
	tb.Cleanup(s.Close)
	return s
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, exec.ErrNotFound) {
		tb.Fatalf("redis-server is not installed (apt-get install redis-server): %v", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
}
