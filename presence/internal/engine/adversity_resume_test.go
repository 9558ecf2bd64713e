package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// Of two sockets that resume the same owned member the later one has it, also
// when the store's answer to the earlier one is late.
func TestTwoResumesAtOnce(t *testing.T) {
	for _, method := range []string{"Put", "ConnJoin"} { // where the earlier one is slow
		t.Run(method, func(t *testing.T) { resumeTwice(t, method) })
	}
}

func resumeTwice(t *testing.T, method string) {
	for _, to := range []int{0, 1} {
		inSlowWorld(t, 2, func(w *world, st *slowStore) {
			for i, e := range w.nodes {
				w.connect(e, string(rune('w'+i))).join("r", "wat", "")
			}
			a := w.connect(w.nodes[0], "a")
			first := a.join("r", "ann", `,"graceMs":15000`)
			a.end(store.ReasonDisconnect, false)
			a2, a3 := w.connect(w.nodes[0], "a2"), w.connect(w.nodes[to], "a3")
			st.slow(method, 0, 200*time.Millisecond)
			p2 := a2.send("join", `{"roomId":"r","userId":"ann"`+token(first)+`}`)
			synctest.Wait()
			st.slow(method, 0, 0)
			time.Sleep(50 * time.Millisecond)
			p3 := a3.send("join", `{"roomId":"r","userId":"ann"`+token(first)+`}`)
			if p3.wait(); !p3.ack.Resumed {
				t.Errorf("to node %d: the later one: %s", to, p3.raw)
			}
			p2.wait()
			time.Sleep(time.Second)
			beat2, beat3 := a2.send("heartbeat", `{}`), a3.send("heartbeat", `{}`)
			if beat2.wait(); beat2.ack.OK {
				t.Errorf("to node %d: the earlier one (%s) still has it: %s", to, p2.raw, beat2.raw)
			}
			if beat3.wait(); !beat3.ack.OK {
				t.Errorf("to node %d: the later one has it no more: %s", to, beat3.raw)
			}
			a2.patch(`{"n":1}`)
			a2.end(store.ReasonDisconnect, true)
			a3.end(store.ReasonDisconnect, true)
			w.rest(time.Minute)
			for _, m := range w.stored("r") {
				if m.UserID == "ann" {
					t.Errorf("to node %d: a minute after both are gone, ann still stands: %+v", to, m)
				}
			}
		})
	}
}

// A kick that falls between a resume and the store's late answer to it counts.
func TestKickDuringAResume(t *testing.T) {
	inSlowWorld(t, 1, func(w *world, st *slowStore) {
		b := w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		first := a.join("r", "ann", `,"graceMs":15000`)
		a.end(store.ReasonDisconnect, false)
		a2 := w.connect(w.nodes[0], "a2")
		st.slow("Put", 0, 200*time.Millisecond)
		p := a2.send("join", `{"roomId":"r","userId":"ann"`+token(first)+`}`)
		time.Sleep(50 * time.Millisecond)
		if n, err := w.nodes[0].Kick(context.Background(), KickTarget{RoomID: "r", UserID: "ann"}); n != 1 || err != nil {
			t.Error(n, err)
		}
		p.wait()
		st.slow("Put", 0, 0)
		if beat := a2.send("heartbeat", `{}`); beat.wait().OK {
			t.Errorf("kicked, yet the join was answered %s and a heartbeat %s", p.raw, beat.raw)
		}
	})
}

// The same, but the node does not hear of the kick: it reads the room again meanwhile.
func TestAKickDuringAResumeThatIsNotHeard(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		st := slowOver(l[0])
		e := w.startOn(st)
		w.steady()
		w.connect(e, "b").join("r", "bob", "")
		a := w.connect(w.nodes[1], "a")
		first := a.join("r", "ann", `,"graceMs":60000`)
		a.end(store.ReasonDisconnect, false)
		st.slow("Put", 0, 500*time.Millisecond)
		p := w.connect(e, "a2").send("join", `{"roomId":"r","userId":"ann"`+token(first)+`}`)
		time.Sleep(50 * time.Millisecond)
		l[0].SetPlan(deaf())
		if n, err := w.nodes[1].Kick(w.t.Context(), KickTarget{RoomID: "r", UserID: "ann"}); n != 1 || err != nil {
			t.Error(n, err)
		}
		l[0].SetPlan(storetest.Plan{})
		l[0].Interrupt(false)
		p.wait()
		st.slow("Put", 0, 0)
		w.rest(5 * time.Second)
		if users := w.usersIn("r"); len(users) != 1 {
			t.Errorf("answered %s; in the room are %q", p.raw, users)
		}
	})
}
