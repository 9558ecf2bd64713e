package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// A socket changes its user, and the store goes back to before that: whatever comes
// in between, nothing is left of the user before once all are gone.
func TestAUserBeforeALossIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		method  string // what goes wrong once after the loss
		fault   storetest.Kind
		crashes bool
	}{
		"nothing else happens":            {},
		"the restore is late":             {method: "NodeStates", fault: storetest.FailBefore},
		"the restore is in doubt":         {method: "Put", fault: storetest.FailAfter},
		"the index is written late":       {method: "AddUser", fault: storetest.HangLate},
		"the node dies while it restores": {method: "Put", fault: storetest.Hang, crashes: true},
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
				w.steady()
				b := w.connect(w.nodes[1], "b")
				b.join("r", "bob", "")
				a := w.connect(w.nodes[0], "a")
				a.join("r", "ann", "")
				rewind := mem.Save()
				a.join("r", "cat", "")
				happened := false
				l[0].SetPlan(storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
					if q.Method == c.method && !happened {
						happened, f.Kind = true, c.fault
					}
					return f
				}})
				l.failover(rewind)
				if c.crashes {
					w.rest(time.Second)
					l[0].Kill()
					w.crash(w.nodes[0])
				}
				w.rest(2 * replica.TombstoneTime)
				w.agree("r")
				if c.method != "" && !happened {
					t.Error("nothing went wrong")
				}
				a.end(store.ReasonDisconnect, true)
				b.end(store.ReasonDisconnect, true)
				w.rest(20 * time.Second)
				wantEmpty(t, mem)
			})
		})
	}
}

// The entries of a user outlive their time to live for as long as the member stands,
// however rarely records of connections are written.
func TestEntriesOfAUserAreWrittenInTime(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		s := testSettings
		s.TTL, s.Lookback, s.SilentAfter = 24*time.Hour, 48*time.Hour, 0
		e, err := newEngine(t.Context(), s, w.store, clock.System{}, func(event []byte, _ series.Change) rooms.Frame { return textFrame(event) })
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, e)
		w.connect(e, "a").join("r", "ann", "")
		w.rest(2 * store.UserTTL)
		at, err := e.RoomsOf(t.Context(), "ann")
		if err != nil || len(at) != 1 {
			t.Errorf("ann is in %v, %v, want room r", at, err)
		}
	})
}

// wantEmpty checks that nothing is left of members and users.
func wantEmpty(t *testing.T, mem *memstore.Store) {
	t.Helper()
	left := slices.DeleteFunc(mem.Keys(), func(key string) bool { return key == "nodes" || strings.HasSuffix(key, ":claim") })
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
