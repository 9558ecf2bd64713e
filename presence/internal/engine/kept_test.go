package engine

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// A member leaves just when the store has lost it, so that no event says so, and nobody
// hears its node: that says it again when it repeats what the store may have lost.
func TestWhoLeavesInALossIsNotShownForLong(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 3, func(w *world, mem *memstore.Store, l links) {
				w.steady()
				a, b, c := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b"), w.connect(w.nodes[2], "c")
				b.join("r", "bob", "")
				rewind := mem.Save()
				a.join("r", "ann", `,"state":{"n":1}`)
				c.join("r", "cat", "")
				b.heard()
				for _, link := range l {
					link.SetPlan(deaf())
				}
				l[2].Freeze()
				lose(mem, l, rewind)
				a.send("leave", `{}`).wait()
				l[0].SetPlan(storetest.Plan{})
				l[1].SetPlan(storetest.Plan{})
				l[2].SetPlan(storetest.Plan{})
				l[2].Thaw()
				w.rest(rooms.IdleAfter + rooms.IdleCheckInterval + 4*time.Second)
				want(t, "b", b.heard(), "leave ann@r leave")
				w.agree("r")
			})
		})
	}
}

// A member leaves when the store has lost it, and the removal makes no event: its node tells
// the others, who show the leave at once and with its reason.
func TestALeaveThatFindsNothingIsTold(t *testing.T) {
	for name, end := range map[string]func(a *client){
		"it leaves":    func(a *client) { a.send("leave", `{}`).wait() },
		"its tab ends": func(a *client) { a.end(store.ReasonLeave, false) },
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, _ links) {
				w.steady()
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
				rewind := mem.SaveParts()
				b.join("r", "bob", "")
				a.join("r", "ann", "")
				b.heard()
				rewind(onlyRoom("r"))
				end(a)
				w.rest(100 * time.Millisecond)
				want(t, "b", b.heard(), "leave ann@r leave")
				w.rest(time.Second)
				w.agree("r")
			})
		})
	}
}

// The store fails over without its last writes. One node is subscribed again some seconds after
// the others. It misses the first end notice and shows the leave after the second one.
func TestWhoLeftIsToldToNodesThatHearLater(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		rewind := mem.Save()
		a.join("r", "ann", "")
		b.heard()
		l[1].SetPlan(deaf())
		a.send("leave", `{}`).wait()
		rewind()
		l[0].Interrupt(true)
		w.rest(2500 * time.Millisecond)
		l[1].SetPlan(storetest.Plan{})
		l[1].Interrupt(true)
		w.rest(3 * time.Second)
		want(t, "b", b.heard(), "leave ann@r leave")
		w.agree("r")
	})
}
