package engine

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// lifeOfMember is the life of the only member of the room, as the store has it, which
// every replica and the index of its owner must have, too.
func (w *world) lifeOfMember(room string) string {
	w.t.Helper()
	w.agree(room)
	stored := w.stored(room)
	if len(stored) != 1 || len(stored[0].Life) != 12 {
		w.t.Fatalf("members %+v", stored)
	}
	m := stored[0]
	for i, e := range w.nodes {
		r := e.Owned.Of(room)
		if r == nil {
			continue
		}
		r.Mu.Lock()
		if shown := r.Rep.Member(m.ConnID); shown == nil || shown.Life != m.Life {
			w.t.Errorf("node %d shows %+v, want life %s", i, shown, m.Life)
		}
		if own := r.Owned[m.ConnID]; own != nil && own.Life != m.Life {
			w.t.Errorf("node %d owns life %s, want %s", i, own.Life, m.Life)
		}
		r.Mu.Unlock()
	}
	rooms, _, err := w.store.NodeRooms(w.t.Context(), m.Owner, "", 10)
	if err != nil || len(rooms) != 1 || rooms[0] != room {
		w.t.Errorf("index of the owner: %q, %v, want %s", rooms, err, room)
	}
	return m.Life
}

// leaves notes the lives of those who leave a room.
type leaves struct{ lives []string }

func (l *leaves) HandleEvent(e store.Event) {
	if e.Intent == store.IntentLeave {
		l.lives = append(l.lives, e.Member.Life)
	}
}

func (l *leaves) HandleCast(string, []byte) {}

func (l *leaves) HandleInterrupt(string, bool) {}

// A life lasts from a join to a leave, whatever sockets, nodes and stores the member
// has meanwhile.
func TestALifeLasts(t *testing.T) {
	inLinkedWorld(t, 3, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		left := new(leaves)
		if _, err := mem.Subscribe(t.Context(), "r", left); err != nil {
			t.Fatal(err)
		}
		a := w.connect(w.nodes[0], "a")
		first := a.join("r", "ann", `,"graceMs":60000`)
		life := w.lifeOfMember("r")
		lasts := func(what string) {
			t.Helper()
			if got := w.lifeOfMember("r"); got != life || len(left.lives) > 0 {
				t.Errorf("after %s: life %s, want %s; left: %q", what, got, life, left.lives)
			}
		}
		a.patch(`{"n":1}`)
		lasts("a patch")
		a.join("r", "ann", `,"graceMs":60000`)
		lasts("another join")
		a2 := w.connect(w.nodes[1], "a2")
		a2.join("r", "ann", token(first))
		lasts("a resume on another node")
		mem.Wipe()
		w.rest(10 * time.Second)
		lasts("a loss of data")
		w.crash(w.nodes[1])
		w.rest(15 * time.Second)
		lasts("a takeover")
		a3 := w.connect(w.nodes[2], "a3")
		if ack := a3.join("r", "ann", token(first)); !ack.Resumed {
			t.Errorf("resume after the takeover: %+v", ack)
		}
		lasts("a resume after it")
		a3.join("r", "amy", "")
		other := w.lifeOfMember("r")
		if other == life || len(left.lives) != 1 || left.lives[0] != life {
			t.Errorf("as another user: life %s after %s; left: %q", other, life, left.lives)
		}
		a3.send("leave", `{}`).wait()
		w.rest(time.Second)
		if len(left.lives) != 2 || left.lives[1] != other {
			t.Errorf("left: %q, want %s last", left.lives, other)
		}
	})
}

// Whom others saw leave, since its node was taken for dead, begins another life when
// the node wakes.
func TestAReapedMemberBeginsAnotherLife(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		left := new(leaves)
		if _, err := mem.Subscribe(t.Context(), "r", left); err != nil {
			t.Fatal(err)
		}
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		life, before := w.lifeOfMember("r"), w.stored("r")[0]
		l[0].Freeze()
		w.rest(12 * time.Second)
		l[0].Thaw()
		w.rest(10 * time.Second)
		again, now := w.lifeOfMember("r"), w.stored("r")[0]
		if again == life || now.ConnID != before.ConnID || now.Epoch <= before.Epoch || now.Owner == before.Owner {
			t.Errorf("after it was reaped: %+v, before: %+v", now, before)
		}
		if len(left.lives) != 1 || left.lives[0] != life {
			t.Errorf("left: %q, want %s", left.lives, life)
		}
	})
}
