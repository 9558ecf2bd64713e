package presence

import (
	"slices"
	"strings"
	"testing"
	"time"

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
		"the index is written late":       {method: "Register", fault: storetest.HangLate},
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
				w.rest(2 * rememberLeaves)
				w.agree("r")
				if c.method != "" && !happened {
					t.Error("nothing went wrong")
				}
				a.end(ReasonDisconnect, true)
				b.end(ReasonDisconnect, true)
				w.rest(20 * time.Second)
				wantEmpty(t, mem)
			})
		})
	}
}

// The node's index names the user before since nobody wrote it again after a loss:
// an audit does.
func TestAnAuditMendsTheUserOfAnEntry(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		e := w.nodes[0]
		a := w.connect(e, "a")
		a.join("r", "ann", "")
		was := a.sock.seatOf("r").member.Load().entry()
		a.join("r", "cat", "")
		if err := mem.Register(t.Context(), was); err != nil {
			t.Fatal(err)
		}
		e.doubt()
		w.rest(10 * time.Second)
		entries, err := mem.NodeEntries(t.Context(), e.self(), 10)
		if err != nil || len(entries) != 1 || entries[0].UserID != "cat" {
			t.Errorf("the node holds %+v, %v", entries, err)
		}
		if at, err := e.roomsOf(t.Context(), "cat"); err != nil || len(at) != 1 {
			t.Errorf("cat is at %v, %v", at, err)
		}
		a.end(ReasonDisconnect, true)
		w.rest(20 * time.Second)
		wantEmpty(t, mem)
	})
}

// A node that gives up a member that lives on elsewhere leaves the entry of its user
// alone.
func TestAUserIsFoundAfterATakeoverThatCameToNothing(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, _ links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		other := a.sock.seatOf("r").member.Load().entry()
		other.Node = w.nodes[1].self()
		if err := mem.Register(t.Context(), other); err != nil { // as the claimant of a dead node does first
			t.Fatal(err)
		}
		w.nodes[1].doubt()
		w.rest(10 * time.Second)
		if entries, err := mem.NodeEntries(t.Context(), other.Node, 10); err != nil || len(entries) != 0 {
			t.Errorf("the other node holds %+v, %v", entries, err)
		}
		if at, err := w.nodes[1].roomsOf(t.Context(), "ann"); err != nil || len(at) != 1 {
			t.Errorf("ann is at %v, %v", at, err)
		}
		a.end(ReasonDisconnect, true)
		w.rest(20 * time.Second)
		wantEmpty(t, mem)
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
