package engine

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/sessions"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// Nothing comes from a resumable member: it is shown away, and online again with its
// next byte, whatever that is. Its connection stays, and it is one event each.
func TestASilentMemberIsShownAway(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b, plain := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b"), w.connect(w.nodes[0], "p")
		a.join("r", "ann", `,"state":{"n":1},"graceMs":60000`)
		plain.join("r", "pat", "")
		b.join("r", "bob", "")
		b.heard()
		start := time.Now()
		time.Sleep(testSettings.SilentAfter - time.Second)
		b.pong()
		want(t, "a second too early", b.heard(), "")
		time.Sleep(2*time.Second + sessions.SilentInterval)
		b.pong()
		want(t, "later", b.heard(), `update ann@r {"n":1} away`)
		for i, e := range w.nodes {
			members, err := e.Rooms.MembersOf(t.Context(), "r")
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range members {
				if m.UserID == "ann" && m.LastSeen.After(start.Add(time.Second)) {
					t.Errorf("node %d says that ann was seen %v after her last packet", i, m.LastSeen.Sub(start))
				}
			}
		}
		a.pong()
		want(t, "with a pong", b.heard(), `update ann@r {"n":1}`)
		a.pong()
		w.rest(5 * time.Second)
		want(t, "after that", b.heard(), "")
		if a.isGone() || plain.isGone() {
			t.Error("a connection was closed")
		}
		w.agree("r")
	})
}

// What a silent member sends takes effect with the event that shows it online.
func TestASilentMemberComesBackWithARequest(t *testing.T) {
	for name, c := range map[string]struct{ event, payload, want string }{
		"patch":     {"heartbeat", `{"patchState":{"n":2}}`, `update ann@r {"n":2}`},
		"heartbeat": {"heartbeat", `{}`, `update ann@r {"n":1}`},
		"join":      {"join", `{"roomId":"r","userId":"ann","graceMs":60000,"state":{"n":3}}`, `join ann@r {"n":3}`},
		"leave":     {"leave", `{}`, `leave ann@r leave`},
		"sync":      {"sync", `{"roomId":"r"}`, `update ann@r {"n":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
				a.join("r", "ann", `,"state":{"n":1},"graceMs":60000`)
				b.join("r", "bob", "")
				time.Sleep(testSettings.SilentAfter + 2*sessions.SilentInterval)
				b.heard()
				a.send(c.event, c.payload).wait()
				got := b.heard()
				if last := got[strings.LastIndexByte(got, '\n')+1:]; last != c.want || strings.Contains(got, "away") {
					t.Errorf("b heard %q, want %q at the end", got, c.want)
				}
				w.agree("r")
			})
		})
	}
}

// The connection of a member that is shown away for its silence is given up: its grace
// begins, and others are not told again.
func TestASilentMemberIsLost(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		first := a.join("r", "ann", `,"graceMs":30000`)
		b.join("r", "bob", "")
		b.heard()
		time.Sleep(testSettings.SilentAfter + 2*sessions.SilentInterval)
		b.pong()
		want(t, "silent", b.heard(), "update ann@r {} away")
		a.end(store.ReasonTimeout, false)
		w.rest(5 * time.Second)
		want(t, "its connection is given up", b.heard(), "")
		if m := w.stored("r")[0]; m.UntilMs == 0 || !m.Away {
			t.Errorf("stored: %+v", m)
		}
		a2 := w.connect(w.nodes[1], "a2")
		if ack := a2.join("r", "ann", token(first)); !ack.Resumed {
			t.Errorf("resume: %+v", ack)
		}
		want(t, "it is back", b.heard(), "update ann@r {}")
		a2.end(store.ReasonTimeout, false)
		w.rest(40 * time.Second)
		want(t, "and gone", b.heard(), "update ann@r {} away\nleave ann@r timeout")
		w.agree("r")
	})
}

// A member that is shown away for its silence comes back while the store does not
// answer: it is shown online as soon as that does.
func TestASilentMemberComesBackInAnOutage(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		time.Sleep(testSettings.SilentAfter - time.Second)
		b.pong()
		st.SetPlan(hang("Put"))
		time.Sleep(4 * time.Second)
		b.pong()
		a.pong()
		w.rest(3 * time.Second)
		st.SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
		w.agree("r")
		if m := w.stored("r")[0]; m.Away {
			t.Errorf("it stands as away: b heard %q", b.heard())
		}
	})
}

// The store loses a member in the moment in which it falls silent, or is heard again: what
// comes back with the restore is shown as it is then.
func TestASilenceDuringALoss(t *testing.T) {
	for name, silent := range map[string]bool{"silent": true, "heard": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				w.steady()
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
				a.join("r", "ann", `,"graceMs":60000`)
				b.join("r", "bob", "")
				if !silent {
					a.sock.MarkSilent()
					w.rest(10 * time.Millisecond)
				}
				w.wipe()
				if silent {
					a.sock.MarkSilent()
				} else {
					a.pong()
				}
				w.rest(10 * time.Second)
				if m := w.storedOf("r", "ann"); m.Away != silent {
					t.Errorf("stored: %+v", m)
				}
				w.agree("r")
			})
		})
	}
}

// A node that stood still does not take its clients for silent before it has read
// what they sent.
func TestAWokenNodeTakesNobodyForSilent(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		b.heard()
		l[0].Freeze()
		time.Sleep(testSettings.SilentAfter + 5*time.Second)
		l[0].Thaw()
		time.Sleep(time.Second) // it reads
		a.pong()
		b.pong()
		w.rest(5 * time.Second)
		if got := b.heard(); strings.Contains(got, "away") {
			t.Errorf("b heard %q", got)
		}
	})
}

// Silence costs one event for each member, however long it lasts and however many
// rooms and members there are.
func TestSilenceIsToldOnce(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		const members = 20
		for i := range members {
			c := w.connect(w.nodes[0], fmt.Sprint("a", i))
			for room := range 3 {
				c.join(fmt.Sprint("r", room), fmt.Sprint("u", i), `,"graceMs":60000`)
			}
		}
		synctest.Wait()
		var puts atomic.Int64
		st.SetPlan(storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
			if c.Method == "Put" {
				puts.Add(1)
			}
			return storetest.Fault{}
		}})
		time.Sleep(3 * testSettings.SilentAfter)
		if n := puts.Load(); n != 3*members {
			t.Errorf("%d writes for %d silent memberships", n, 3*members)
		}
	})
}
