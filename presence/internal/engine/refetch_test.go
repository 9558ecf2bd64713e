package engine

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// In a busy room, whose events are late but come, a join waits for its own.
func TestAJoinInABusyRoomReadsItOnce(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		w.connect(w.nodes[0], "c").join("r", "cat", "")
		var loads atomic.Int32
		l[0].SetPlan(storetest.Plan{
			Call: func(c storetest.Call) storetest.Fault {
				if c.Method == "Load" {
					loads.Add(1)
				}
				return storetest.Fault{}
			},
			Deliver: func(string) storetest.Delivery { return storetest.Delivery{Delay: 40 * time.Millisecond} },
		})
		for i := range 30 { // each is held for 40 ms: the last ones come more than a second late
			b.send("heartbeat", fmt.Sprintf(`{"patchState":{"n":%d}}`, i)).wait()
		}
		p := w.connect(w.nodes[0], "a").send("join", `{"roomId":"r","userId":"ann"}`)
		if took := p.took(); took < time.Second {
			t.Errorf("the join was answered after %v, before its event", took)
		}
		if n := loads.Load(); n > 0 {
			t.Errorf("the room was read %d times", n)
		}
		w.rest(5 * time.Second)
		w.agree("r")
	})
}

// A leave that a load shows before its event is there has the event's reason.
func TestALeaveThatIsReadFirstKeepsItsReason(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a.join("r", "ann", "")
		a.heard()
		var loads atomic.Int32
		l[0].SetPlan(storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
			if c.Method == "Load" && loads.Add(1) == 1 {
				return storetest.Fault{Kind: storetest.FailBefore} // and is tried again 100 ms later
			}
			return storetest.Fault{}
		}})
		l[0].Interrupt(false)
		for loads.Load() == 0 {
			w.rest(5 * time.Millisecond)
		}
		b.send("leave", `{}`).wait()
		w.rest(time.Second)
		if n := loads.Load(); n != 2 {
			t.Errorf("the room was read %d times, want twice", n)
		}
		want(t, "a", a.heard(), "leave bob@r leave")
	})
}

// The look at a quiet room sees a write whose event is on its way: that is no gap.
func TestAnEventOnItsWayIsNoGap(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a.join("r", "ann", "")
		var looks, loads atomic.Int32
		l[0].SetPlan(storetest.Plan{
			Call: func(c storetest.Call) storetest.Fault {
				switch c.Method {
				case "Positions":
					looks.Add(1)
				case "Load":
					loads.Add(1)
				}
				return storetest.Fault{}
			},
			Deliver: func(string) storetest.Delivery { return storetest.Delivery{Delay: 40 * time.Millisecond} },
		})
		for n := range 50 { // some are on their way when the room is looked at
			w.rest(rooms.IdleAfter + time.Duration(n)*10*time.Millisecond)
			b.patch(fmt.Sprintf(`{"n":%d}`, n))
		}
		w.rest(time.Second)
		if looks.Load() < 20 {
			t.Errorf("the quiet room was looked at %d times", looks.Load())
		}
		if n := loads.Load(); n > 0 {
			t.Errorf("the room was read %d times", n)
		}
		w.agree("r")
	})
}
