package engine

import (
	"context"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// dave is a member of a node that is not part of the world.
func dave(change func(m *store.Member)) store.Put {
	m := store.Member{ConnID: "dave", UserID: "dave", Life: core.RandomID(9), Owner: "far", Epoch: 1, Write: 1, State: []byte("{}")}
	if change != nil {
		change(&m)
	}
	return store.Put{Intent: store.IntentJoin, Member: m}
}

// storedOf is the member of a user that the store has in a room.
func (w *world) storedOf(room, user string) store.Member {
	w.t.Helper()
	for _, m := range w.stored(room) {
		if m.UserID == user {
			return m
		}
	}
	w.t.Fatalf("the store has no member of %s in room %s", user, room)
	return store.Member{}
}

// userIsIn checks in how many rooms, or with how many connections, the index has a user.
func (w *world) userIsIn(mem *memstore.Store, user string, want int) {
	w.t.Helper()
	if at, err := mem.UserMembers(w.t.Context(), user); err != nil || len(at) != want {
		w.t.Errorf("%s is in %v, %v, want %d", user, at, err, want)
	}
}

// addFarUser writes the entry of a user for a member that putFar has written.
func (w *world) addFarUser(mem *memstore.Store, m store.Member) {
	w.t.Helper()
	u := store.UserEntry{UserID: m.UserID, Room: "r", ConnID: m.ConnID, Life: m.Life, ExpiresMs: time.Now().Add(time.Second).UnixMilli()}
	if err := mem.AddUser(w.t.Context(), u); err != nil {
		w.t.Fatal(err)
	}
}

// usersIn are the users of the members that the store has in a room.
func (w *world) usersIn(room string) (users []string) {
	w.t.Helper()
	for _, m := range w.stored(room) {
		users = append(users, m.UserID)
	}
	return users
}

// A claimant whose replica may lack members looks for those of the dead node in the store.
func TestAReapOfARoomThatMayLackMembers(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		l[0].SetPlan(deaf())
		w.putFar(mem, dave(nil))
		l[0].SetPlan(storetest.Plan{})
		l[0].Interrupt(false)
		if err := w.nodes[0].ReapRoom(w.t.Context(), "far", "r"); err != nil {
			t.Error(err)
		}
		if left := w.usersIn("r"); len(left) != 1 {
			t.Errorf("%q are left, want bob alone", left)
		}
	})
}

// A member stands as the claimant's own, which does not know it: a takeover without an
// answer took effect. It is seen to with those of the dead node.
func TestAReapOfAMemberThatTheClaimantDoesNotKnow(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		w.putFar(mem, dave(func(m *store.Member) { m.Owner = w.nodes[0].Self() }))
		if err := w.nodes[0].ReapRoom(w.t.Context(), "far", "r"); err != nil {
			t.Error(err)
		}
		if left := w.usersIn("r"); len(left) != 1 {
			t.Errorf("%q are left, want bob alone", left)
		}
	})
}

// A member of the claimant leaves, and the store did not answer that yet. It is not taken
// for one that the claimant does not know.
func TestAReapDuringALeave(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		a.join("r", "ann", "")
		b.heard()
		l[0].SetPlan(once("Remove", storetest.FailBefore))
		a.send("leave", `{}`).wait()
		l[0].Interrupt(false) // the claimant asks the store
		if err := w.nodes[0].ReapRoom(w.t.Context(), "far", "r"); err != nil {
			t.Error(err)
		}
		w.rest(time.Second)
		want(t, "b", b.heard(), "leave ann@r leave")
	})
}

// The store has a member of a dead node back that left: the claimant removes it again, and
// does not take it over.
func TestAReapOfAMemberThatHasLeft(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"graceMs":60000`)
		lose := mem.SaveParts()
		a.send("leave", `{}`).wait()
		b.heard()
		lose(onlyRoom("r"))
		l[1].Interrupt(false)
		if err := w.nodes[1].ReapRoom(w.t.Context(), w.nodes[0].Self(), "r"); err != nil {
			t.Error(err)
		}
		if left := w.usersIn("r"); len(left) != 1 {
			t.Errorf("%q are left, want bob alone", left)
		}
	})
}

// The grace of a dead node's member ended while nobody watched: the member leaves for the
// reason that it was lost.
func TestAReapOfAMemberWhoseGraceIsOver(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		b := w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		w.putFar(mem, dave(func(m *store.Member) {
			m.GraceMs, m.UntilMs, m.Lost, m.Away = 1000, time.Now().UnixMilli()+1000, store.ReasonShutdown, true
		}))
		w.rest(2 * time.Second)
		b.heard()
		if err := w.nodes[0].ReapRoom(w.t.Context(), "far", "r"); err != nil {
			t.Error(err)
		}
		want(t, "b", b.heard(), "leave dave@r shutdown")
	})
}

// removeHook calls before ahead of each removal of a member.
type removeHook struct {
	store.Store
	before func()
}

func (s *removeHook) Remove(ctx context.Context, r store.Remove) (store.Outcome, error) {
	if s.before != nil {
		s.before()
	}
	return s.Store.Remove(ctx, r)
}

// A member that a claimant is about to remove is written at the same time: the claimant
// looks again later, and the index of users has the member meanwhile.
func TestAReapThatMeetsAWrite(t *testing.T) {
	inLinkedWorld(t, 0, func(w *world, mem *memstore.Store, _ links) {
		st := &removeHook{Store: mem}
		e := w.startOn(st)
		put := dave(nil)
		w.putFar(mem, put)
		w.addFarUser(mem, put.Member)
		st.before = func() {
			next := put
			next.Member.Epoch, next.Member.Write, next.Fence = 2, 2, 1
			w.putFar(mem, next)
		}
		if err := e.ReapRoom(w.t.Context(), "far", "r"); err == nil {
			t.Error("done, though the member is written by somebody")
		}
		w.userIsIn(mem, "dave", 1)
		st.before = nil
		if err := e.ReapRoom(w.t.Context(), "far", "r"); err != nil {
			t.Error(err)
		}
		if left := w.usersIn("r"); len(left) > 0 {
			t.Errorf("%q are left", left)
		}
	})
}

// A claimant cannot remove the entry of a user: another try removes it, with the member.
func TestAReapWithoutTheUsersIndex(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		put := dave(nil)
		w.putFar(mem, put)
		w.addFarUser(mem, put.Member)
		l[0].SetPlan(once("RemoveUser", storetest.FailBefore))
		if err := w.nodes[0].ReapRoom(w.t.Context(), "far", "r"); err == nil {
			t.Error("done, though the entry stands")
		}
		if err := w.nodes[0].ReapRoom(w.t.Context(), "far", "r"); err != nil {
			t.Error(err)
		}
		w.userIsIn(mem, "dave", 0)
		if left := w.usersIn("r"); len(left) > 0 {
			t.Errorf("%q are left", left)
		}
	})
}

// A claimant removes the members of a room that it does not have open, and the store goes back to
// before that: it removes them again.
func TestAReapThatTheStoreForgot(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		w.putFar(mem, dave(nil))
		lose := mem.SaveParts()
		if err := w.nodes[0].ReapRoom(w.t.Context(), "far", "r"); err != nil {
			t.Error(err)
		}
		lose(onlyRoom("r"))
		l[0].Interrupt(true)
		w.rest(5 * time.Second)
		if left := w.usersIn("r"); len(left) > 0 {
			t.Errorf("%q are back", left)
		}
	})
}

// A node shows a member as its own that it does not know: it removes that.
func TestAMemberThatItsOwnerDoesNotKnow(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		w.steady()
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		w.putFar(mem, dave(func(m *store.Member) { m.Owner = w.nodes[0].Self() }))
		w.rest(20 * time.Second)
		if left := w.usersIn("r"); len(left) != 1 {
			t.Errorf("%q are left, want bob alone", left)
		}
	})
}
