package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// userHook calls before once, ahead of the next entry of a user that is written.
type userHook struct {
	store.Store
	before atomic.Pointer[func()]
}

func (s *userHook) AddUser(ctx context.Context, u store.UserEntry) error {
	if f := s.before.Swap(nil); f != nil {
		(*f)()
	}
	return s.Store.AddUser(ctx, u)
}

func (s *userHook) Enter(ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
	return store.Steps(ctx, s, q)
}

// A leave meets a member that another socket has, and gives the entry of its user back. That socket
// leaves, too, between two steps of this: no entry stays behind.
func TestALeaveMeetsTheLeaveOfAnotherSocket(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		hook := &userHook{Store: l[0]}
		a, b := w.connect(w.startOn(hook), "a"), w.connect(w.nodes[1], "b")
		first := a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(deaf())
		if ack := b.join("r", "ann", token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		w.rest(time.Second)
		leave := func() { b.send("leave", `{}`).wait() }
		hook.before.Store(&leave)
		a.send("leave", `{}`).wait()
		if hook.before.Load() != nil {
			t.Error("no entry was given back")
		}
		w.rest(20 * time.Second)
		wantEmpty(t, mem)
	})
}

// So does a claimant that meets a member which its socket's node writes: it leaves at that moment.
func TestAReapMeetsALeave(t *testing.T) {
	inLinkedWorld(t, 0, func(w *world, mem *memstore.Store, _ links) {
		users := &userHook{Store: mem}
		st := &removeHook{Store: users}
		e := w.startOn(st)
		put := dave(nil)
		w.putFar(mem, put)
		w.addFarUser(mem, put.Member)
		next := put.Member
		next.Owner, next.Epoch, next.Write = "other", put.Member.Epoch+1, put.Member.Write+1
		st.before = func() {
			st.before = nil
			moved := put
			moved.Intent, moved.Member, moved.Fence = store.IntentRestore, next, put.Member.Epoch
			w.putFar(mem, moved)
		}
		leave := func() {
			if err := mem.RemoveUser(w.t.Context(), store.UserEntry{UserID: next.UserID, Room: "r", ConnID: next.ConnID, Life: next.Life}); err != nil {
				t.Error(err)
			}
			gone := store.Remove{Room: "r", ConnID: next.ConnID, Life: next.Life, Reason: store.ReasonLeave}
			if outcome, err := mem.Remove(w.t.Context(), gone); err != nil || !outcome.TookEffect() {
				t.Error(outcome, err)
			}
		}
		users.before.Store(&leave)
		if err := e.ReapRoom(w.t.Context(), "far", "r"); err == nil {
			t.Error("done, though the member is written by somebody")
		}
		if users.before.Load() != nil {
			t.Error("no entry was given back")
		}
		w.rest(10 * time.Second)
		w.userIsIn(mem, "dave", 0)
	})
}
