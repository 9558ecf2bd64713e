package replica

import (
	"testing"
	"unsafe"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// An event comes in a message whose memory its texts are part of. What the replica knows
// of them already stays, so that a member does not hold on to the message.
func TestMemoryOfAnEvent(t *testing.T) {
	text := func(s string) string { return string([]byte(s)) } // a copy, as out of a message
	arrived := func(m store.Member) store.Member {
		m.ConnID, m.UserID, m.Life, m.Owner = text(m.ConnID), text(m.UserID), text(m.Life), text(m.Owner)
		m.State = []byte(text(string(m.State)))
		return m
	}
	one := func(a, b string) bool { return unsafe.StringData(a) == unsafe.StringData(b) }

	w, load := newRoom(), loaded(100, arrived(ann))
	w.Load(load, w.now.Time, w.now)
	before := *w.Member("a")
	want(t, "owner of a load", before.Owner, ann.Owner)
	want(t, "it is part of the load", one(before.Owner, load.Members[0].Owner), false)

	e := event(100, 101, store.IntentUpdate, arrived(with(ann, func(m *store.Member) { m.Write++ })))
	e.Born = text(e.Born)
	born := w.Loaded().Born
	w.Receive(e, w.now)
	m := w.Member("a")
	want(t, "write", m.Write, ann.Write+1)
	want(t, "the mark of the record stays", one(w.Loaded().Born, born), true)
	want(t, "owner", m.Owner, ann.Owner)
	want(t, "it is part of the event", one(m.Owner, e.Member.Owner), false)
	want(t, "texts stay", one(m.ConnID, before.ConnID) && one(m.UserID, before.UserID) && one(m.Life, before.Life), true)
	want(t, "an equal state stays", &m.State[0] == &before.State[0], true)

	load = loaded(101, arrived(m.Member))
	w.Reload(&Reload{Room: load}, w.now)
	want(t, "owner of another load", w.Member("a").Owner, ann.Owner)
	want(t, "it is part of the load", one(w.Member("a").Owner, load.Members[0].Owner), false)

	next := arrived(with(ann, func(m *store.Member) { m.Life, m.Epoch, m.State = "next", 4, []byte(`{"x":1}`) }))
	w.Receive(event(101, 102, store.IntentJoin, next), w.now)
	m = w.Member("a")
	want(t, "another life", m.Life, "next")
	want(t, "another state", string(m.State), `{"x":1}`)
}

// The node that owns a member has copies of its texts.
func TestMemoryOfAnOwnMember(t *testing.T) {
	w := newRoom("c")
	w.Load(loaded(100), w.now.Time, w.now)
	w.shared = func(m *store.Member) { m.UserID = "shared" }
	w.Receive(event(100, 101, store.IntentJoin, cat), w.now)
	want(t, "user", w.Member("c").UserID, "shared")
}
