//go:build unix

package redisstore

import (
	"context"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
)

// A cluster in use suffers what clusters suffer, with channels of every kind.
func TestClusterFaults(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, 1)
	chats := []*chat{
		startChat(t, "sharded", 12, Options{URL: c.URL()}),
		startChat(t, "plain", 12, Options{URL: c.URL() + "&publish=plain"}),
		startChat(t, "resp2", 6, Options{URL: c.URL() + "&protocol=2"}),
	}
	for _, f := range []struct {
		name  string
		fault func(ctx context.Context, t *testing.T, m *redistest.Server)
		tells bool // that writes may be lost
		fails bool // calls may fail meanwhile
	}{
		{"failover on request", func(ctx context.Context, t *testing.T, m *redistest.Server) {
			_, err := c.Failover(ctx, m)
			must(t, err)
		}, true, true},
		{"killed master", func(ctx context.Context, t *testing.T, m *redistest.Server) {
			m.Stop()
			must(t, c.Await(ctx))
		}, true, true},
		{"frozen master", func(ctx context.Context, t *testing.T, m *redistest.Server) {
			must(t, m.Pause())
			must(t, c.Await(ctx))
		}, true, true},
		{"restarted master", func(ctx context.Context, t *testing.T, m *redistest.Server) {
			must(t, m.StartWithData())
		}, true, true},
		{"subscribers cut", func(ctx context.Context, t *testing.T, m *redistest.Server) {
			for _, s := range c.Servers {
				_, err := s.KillSubscribers()
				must(t, err)
			}
		}, false, true}, // their connections carry commands, too
		{"slots moved", func(ctx context.Context, t *testing.T, m *redistest.Server) {
			for slot := range slotsOf(chats, c, m) {
				must(t, moveSlowly(c, slot, m, otherMaster(t, c, m)))
			}
		}, true, false},
	} {
		t.Run(f.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), healTime)
			defer cancel()
			must(t, c.Await(ctx))
			m, err := c.MasterOf(redistest.Slot("sharded:{room:r0}"))
			must(t, err)
			hurt := slotsOf(chats, c, m)
			for _, chat := range chats {
				chat.begin(t)
			}
			time.Sleep(200 * time.Millisecond)
			f.fault(ctx, t, m)
			for _, chat := range chats {
				chat.heal(func(slot int) bool { return f.tells && hurt[slot] }, f.fails)
			}
			if m.Stopped() {
				must(t, m.StartEmpty())
			}
			must(t, m.Resume())
		})
	}
}

// slotsOf are the slots of the rooms that lie on a master.
func slotsOf(chats []*chat, c *redistest.Cluster, m *redistest.Server) map[int]bool {
	list := make(map[int]bool)
	for _, chat := range chats {
		for _, r := range chat.rooms {
			if at, err := c.MasterOf(r.slot()); err == nil && at == m {
				list[r.slot()] = true
			}
		}
	}
	return list
}

// moveSlowly leaves a slot for a while where half of it is here and half there.
func moveSlowly(c *redistest.Cluster, slot int, from, to *redistest.Server) error {
	if err := c.OpenSlot(slot, from, to); err != nil {
		return err
	}
	for n := 1; n > 0; {
		var err error
		if n, err = c.MoveKeys(slot, from, to, 1); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return c.CloseSlot(slot, from, to)
}

func otherMaster(t *testing.T, c *redistest.Cluster, m *redistest.Server) *redistest.Server {
	t.Helper()
	masters, err := c.Masters()
	must(t, err)
	for _, o := range masters {
		if o != m {
			return o
		}
	}
	t.Fatal("there is only one master")
	return nil
}

// A frozen master holds up nobody who needs another one.
func TestFrozenMasterIsAlone(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2, 0, "--cluster-node-timeout", "60000")
	all := startChat(t, "sharded", 32, Options{URL: c.URL()})
	frozen := c.Servers[0]
	slow := slotsOf([]*chat{all}, c, frozen)
	if len(slow) == 0 || len(slow) == 32 {
		t.Fatalf("%d slots on one master", len(slow))
	}
	all.begin(t)
	must(t, frozen.Pause())
	time.Sleep(access.StallTime + 2*time.Second)
	all.quiet()
	for _, r := range all.rooms {
		switch {
		case slow[r.slot()] && r.fails == 0:
			t.Errorf("%s needs no master", r.id)
		case !slow[r.slot()] && r.fails > 0:
			t.Errorf("%s: %d calls of %d failed", r.id, r.fails, 2*r.n)
		}
	}
	must(t, frozen.Resume())
	all.heal(func(int) bool { return false }, true)
}
