//go:build unix

package redistest_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := redistest.StartCluster(t, 3, 1)
	masters, err := c.Masters()
	must(t, err)
	for i, m := range masters {
		replicas, err := c.ReplicasOf(m)
		must(t, err)
		if m != c.Servers[i] || len(replicas) != 1 || replicas[0] != c.Servers[3+i] {
			t.Fatalf("master %d is %s with %d replicas", i, m.Addr, len(replicas))
		}
	}

	t.Run("failover", func(t *testing.T) {
		next, err := c.Failover(ctx, masters[0])
		must(t, err)
		must(t, c.Await(ctx))
		if m, err := c.MasterOf(0); err != nil || m != next || m != c.Servers[3] {
			t.Errorf("master %v %v", m, err)
		}
	})
	t.Run("moved slot", func(t *testing.T) {
		slot := redistest.Slot("{room:r}")
		from, err := c.MasterOf(slot)
		must(t, err)
		to := masters[1]
		if from == to {
			to = masters[2]
		}
		for i := range 250 {
			want(t, from, "OK", "SET", "{room:r}"+strconv.Itoa(i), "v")
		}
		must(t, c.MoveSlot(slot, to))
		must(t, c.Await(ctx))
		want(t, to, "v", "GET", "{room:r}7")
		want(t, from, "0", "DBSIZE")
	})
	t.Run("killed master", func(t *testing.T) {
		masters[1].Stop()
		must(t, c.Await(ctx))
		if m, err := c.MasterOf(8000); err != nil || m != c.Servers[4] {
			t.Errorf("master %v %v", m, err)
		}
		must(t, masters[1].StartEmpty())
		must(t, c.Await(ctx))
	})
	t.Run("frozen master", func(t *testing.T) {
		must(t, masters[2].Pause())
		must(t, c.Await(ctx))
		if m, err := c.MasterOf(16000); err != nil || m != c.Servers[5] {
			t.Errorf("master %v %v", m, err)
		}
		must(t, masters[2].Resume())
		must(t, c.Await(ctx))
	})
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := redistest.StartSentinel(t, 2, 3)
	old, err := s.Master()
	must(t, err)
	want(t, old, "OK", "SET", "k", "v")
	old.Stop()
	next, err := s.Promoted(ctx, old)
	must(t, err)
	want(t, next, "v", "GET", "k")
	must(t, old.StartEmpty())
	next, err = s.Failover(ctx)
	must(t, err)
	must(t, s.Await(ctx))
	want(t, next, "v", "GET", "k")
}

func TestSlot(t *testing.T) {
	for key, slot := range map[string]int{"123456789": 12739, "foo{}{bar}": 8363, "a{bar}c": 5061, "bar": 5061} {
		if got := redistest.Slot(key); got != slot {
			t.Errorf("%q is in slot %d, want %d", key, got, slot)
		}
	}
}
