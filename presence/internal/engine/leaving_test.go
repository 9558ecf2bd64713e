package engine

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// What a member leaves behind is erased although the event of its own leave
// comes late.
func TestADrainErasesBeforeItsEventsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New(memstore.Options{})
		st := storetest.NewFaulty(mem, storetest.Plan{})
		w := &world{t: t, store: st}
		e := w.addNode()
		w.connect(e, "c").join("r", "u", "")
		st.SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery {
			return storetest.Delivery{Delay: 5 * time.Millisecond}
		}})
		if err := e.drain(t.Context()); err != nil {
			t.Error(err)
		}
		if keys := mem.Keys(); len(keys) > 0 {
			t.Errorf("left behind: %q", keys)
		}
		e.close()
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A leave takes effect and its answer and its event are lost. The room is read before the leave
// is tried again: the others see it at once.
func TestALeaveWithoutAnAnswerIsShownByALoad(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		a.join("r", "ann", "")
		b.heard()
		plan := once("Remove", storetest.FailAfter)
		plan.Deliver = deaf().Deliver
		l[0].SetPlan(plan)
		a.send("leave", `{}`)
		w.rest(50 * time.Millisecond)
		r := w.nodes[0].Rooms.All()[0]
		r.Mu.Lock()
		r.Resync()
		r.Mu.Unlock()
		w.rest(50 * time.Millisecond)
		if got := b.heard(); !strings.HasPrefix(got, "leave ann@r") {
			t.Errorf("b heard: %s", got)
		}
		l[0].SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
		want(t, "b hears no more", b.heard(), "")
		w.agree("r")
	})
}

// A node dies in a leave, after its first step: the entry of the user does not outlive the
// member.
func TestANodeDiesInALeave(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		steps := 0
		l[0].SetPlan(storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
			if steps++; steps > 1 {
				f.Kind = storetest.FailBefore
			}
			return f
		}})
		a.send("leave", `{}`)
		w.rest(10 * time.Millisecond)
		l[0].Kill()
		w.crash(w.nodes[0])
		w.rest(20 * time.Second)
		for _, key := range mem.Keys() {
			if strings.HasPrefix(key, "user:") || strings.HasPrefix(key, "room:") {
				t.Errorf("left behind: %s", key)
			}
		}
	})
}

// A leave meets its member in the hands of a claimant, which writes it at that moment: the
// leave looks again, and the member does not stay for its grace.
func TestALeaveMeetsAMemberThatIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook := &removeHook{Store: memstore.New(memstore.Options{})}
		runWorld(t, hook, 1, func(w *world) {
			a := w.connect(w.nodes[0], "a")
			w.connect(w.nodes[0], "b").join("r", "bob", "")
			a.join("r", "ann", `,"graceMs":60000`)
			writes := 0
			hook.before = func() {
				if writes == 2 {
					return
				}
				writes++
				for _, m := range w.stored("r") {
					if m.ConnID == a.ID() { // another node takes it over, twice
						next := m
						next.Epoch, next.Write, next.Owner = m.Epoch+1, m.Write+1, "claimant"
						next.UntilMs = w.nodes[0].StoreNow() + 60_000
						put := store.Put{Room: "r", Intent: store.IntentResume, Member: next, Fence: m.Epoch, Quiet: true, KeepState: true}
						if _, err := store.PutAndWait(t.Context(), hook.Store, put); err != nil {
							t.Error(err)
						}
					}
				}
			}
			a.send("leave", `{}`).wait()
			w.rest(5 * time.Second)
			if left := w.stored("r"); len(left) != 1 || writes != 2 {
				t.Errorf("%d writes; stored: %+v, want bob alone", writes, left)
			}
		})
	})
}
