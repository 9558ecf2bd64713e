package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// losses are the ways in which a store loses what it was told last.
var losses = map[string]func(mem *memstore.Store, l links, rewind func()){
	"a failover":   func(_ *memstore.Store, l links, rewind func()) { l.failover(rewind) },
	"a wipe":       func(mem *memstore.Store, l links, _ func()) { l.failover(mem.Wipe) },
	"a quiet wipe": func(mem *memstore.Store, _ links, _ func()) { mem.Wipe() },
}

// The store loses a member whose join, or resume, is not at its end yet: it is
// restored all the same, and others do not see it leave.
func TestALossInTheMiddleOfAJoin(t *testing.T) {
	for name, lose := range losses {
		for _, resume := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
					st := slowOver(l[0])
					e := w.startOn(st)
					w.steady()
					b := w.connect(w.nodes[0], "b")
					b.join("r", "bob", "")
					w.connect(e, "c").join("r", "cat", "")
					rewind := mem.Save()
					payload := `{"roomId":"r","userId":"ann"`
					if resume {
						payload += token(w.connect(e, "before").join("r", "ann", `,"graceMs":60000`))
					}
					st.slow("ConnJoin", 0, testSettings.StoreTimeout*3/4)
					a := w.connect(e, "a")
					joined := a.send("join", payload+"}")
					w.rest(100 * time.Millisecond)
					lose(mem, l, rewind)
					if ack := joined.wait(); !ack.OK || ack.Resumed != resume {
						t.Errorf("join: %+v", ack)
					}
					st.slow("ConnJoin", 0, 0)
					w.rest(20 * time.Second)
					if got := b.heard(); strings.Contains(got, "leave") || strings.Count(got, "join ann@r") != 1 {
						t.Errorf("b heard:\n%s", got)
					}
					if n := len(w.stored("r")); n != 3 {
						t.Errorf("%d members stand, want ann, bob and cat", n)
					}
					w.agree("r")
				})
			})
		}
	}
}

// The store loses a member whose client just goes away for a while, and does not
// answer at once: its node restores it.
func TestALossInTheMiddleOfALeaveWithAGrace(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
				w.steady()
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
				b.join("r", "bob", "")
				rewind := mem.Save()
				first := a.join("r", "ann", `,"graceMs":60000`)
				b.heard()
				l[0].SetPlan(hang("Put"))
				left := a.send("leave", `{"graceMs":60000}`)
				lose(mem, l, rewind)
				b.patch(`{"n":1}`)
				left.wait()
				l[0].SetPlan(storetest.Plan{})
				w.rest(15 * time.Second)
				if got := b.heard(); strings.Contains(got, "leave") || strings.Contains(got, "join") {
					t.Errorf("b heard:\n%s", got)
				}
				if ack := w.connect(w.nodes[1], "a2").join("r", "ann", token(first)); !ack.Resumed {
					t.Errorf("resume: %+v", ack)
				}
				w.agree("r")
			})
		})
	}
}

// The store loses a member, and its next write comes ahead of any notice of that:
// it is restored first, not taken for one that somebody removed.
func TestAWriteAheadOfTheNoticeOfALoss(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		others  bool // write after the loss, so that the room is as far as it was
	}{
		"patch":              {`heartbeat {"patchState":{"n":1}}`, false},
		"join":               {`join {"roomId":"r","userId":"ann","state":{"n":1}}`, false},
		"patch after others": {`heartbeat {"patchState":{"n":1}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 3, func(w *world, mem *memstore.Store, l links) {
				w.steady()
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
				b.join("r", "bob", "")
				rewind := mem.Save()
				a.join("r", "ann", "")
				b.heard()
				want := `update ann@r {"n":1}`
				l[0].SetPlan(deaf())
				rewind()
				if c.others {
					w.connect(w.nodes[2], "c").join("r", "cat", "")
					want = "join cat@r {}\n" + want
				}
				event, payload, _ := strings.Cut(c.request, " ")
				asked := a.send(event, payload)
				w.rest(300 * time.Millisecond)
				l[0].SetPlan(storetest.Plan{})
				for _, link := range l {
					link.Interrupt(true)
				}
				if ack := asked.wait(); !ack.OK {
					t.Errorf("%s: %+v", c.request, ack)
				}
				w.rest(20 * time.Second)
				if got := b.heard(); got != want {
					t.Errorf("b heard:\n%s", got)
				}
				w.agree("r")
			})
		})
	}
}

// A join of a member that finds it lost, and then gets no answer, is refused: the
// member keeps the grace that it had.
func TestARefusedJoinLeavesTheGraceAlone(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		first := a.join("r", "ann", `,"graceMs":60000`)
		b.heard()
		mem.Wipe()
		l[0].SetPlan(hang("LoadMembers"))
		if ack := a.join("r", "ann", ""); ack.Code != wire.CodeUnavailable {
			t.Fatalf("join: %+v", ack)
		}
		l[0].SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
		a.end(store.ReasonDisconnect, false)
		w.rest(5 * time.Second)
		want(t, "b", b.heard(), "update ann@r {} away")
		if ack := w.connect(w.nodes[1], "a2").join("r", "ann", token(first)); !ack.Resumed {
			t.Errorf("resume: %+v", ack)
		}
	})
}

// A node removes a member whose grace has ended, just when it is resumed elsewhere:
// that is no leave. When the store loses the member in its next grace, the node does
// not say that it had left.
func TestALeaveThatComesTooLateIsNone(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		st := slowOver(l[0])
		e := w.startOn(st)
		w.steady()
		a, b, z := w.connect(w.nodes[1], "a"), w.connect(w.nodes[1], "b"), w.connect(e, "z")
		b.join("r", "bob", "")
		w.connect(e, "d").join("r", "dan", "")
		first := z.join("r", "ann", `,"graceMs":10000`)
		st.slow("Remove", 0, 300*time.Millisecond)
		l[0].SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery {
			return storetest.Delivery{Delay: 300 * time.Millisecond}
		}})
		z.send("leave", `{"graceMs":1000}`).wait()
		w.rest(900 * time.Millisecond)
		if ack := a.join("r", "ann", token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		w.rest(5 * time.Second)
		l[0].SetPlan(storetest.Plan{})
		a.end(store.ReasonDisconnect, false)
		b.heard()
		mem.Wipe()
		w.rest(8 * time.Second)
		if got := b.heard(); strings.Contains(got, "leave") {
			t.Errorf("b heard:\n%s", got)
		}
		if ack := w.connect(w.nodes[1], "a2").join("r", "ann", token(first)); !ack.Resumed {
			t.Errorf("resume: %+v", ack)
		}
		w.agree("r")
	})
}
