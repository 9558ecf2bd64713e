package replica

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// testRoom is a replica of a node that owns the members of the connections in owned, and
// the clock by which it lives.
type testRoom struct {
	*Replica
	tombstones Tombstones
	now        Now
	owned      map[string]bool
	nextLife   map[string]string // in which the node restored a member
	heardMs    map[string]int64  // when the sockets of those were last heard of
	shared     func(m *store.Member)
}

// Owns, Continues, Share and SeenMs implement Owner.
func (w *testRoom) Owns(connID string) bool { return w.owned[connID] }

func (w *testRoom) Continues(connID, _, after string) bool { return w.nextLife[connID] == after }

func (w *testRoom) Share(m *store.Member) {
	if w.shared != nil {
		w.shared(m)
	}
}

func (w *testRoom) SeenMs(connID string) int64 { return w.heardMs[connID] }

const (
	beginMs     = 5_000_000
	testLease   = 10 * time.Second
	silentAfter = 30 * time.Second
)

func newRoom(owned ...string) *testRoom {
	w := &testRoom{
		now:   Now{Time: time.Unix(1000, 0), StoreMs: beginMs},
		owned: make(map[string]bool), nextLife: make(map[string]string), heardMs: make(map[string]int64),
	}
	for _, id := range owned {
		w.owned[id] = true
	}
	w.Replica = New("room", &Settings{Lease: testLease, SilentAfter: silentAfter, Tombstones: &w.tombstones}, w)
	return w
}

// loadedRoom is one that was loaded at position 100, with ann's connection a of the
// owner "there" and bob's connection b, which is the node's own.
func loadedRoom(t *testing.T) *testRoom {
	t.Helper()
	w := newRoom("b")
	if stale := w.Load(loaded(100, ann, bob), w.now.Time, w.now); stale != nil {
		t.Fatalf("stale: %v", stale)
	}
	return w
}

var (
	ann = store.Member{ConnID: "a", UserID: "ann", Life: "A", Owner: "there", Epoch: 3, Write: 5, Seq: 90, State: []byte(`{}`)}
	bob = store.Member{ConnID: "b", UserID: "bob", Life: "B", Owner: "here", Epoch: 3, Write: 5, Seq: 91, State: []byte(`{}`)}
	cat = store.Member{ConnID: "c", UserID: "cat", Life: "C", Owner: "there", Epoch: 1, Write: 1, State: []byte(`{}`)}
)

// with is a member after a change.
func with(m store.Member, change func(m *store.Member)) store.Member {
	change(&m)
	return m
}

func loaded(seq int64, members ...store.Member) store.Room {
	return store.Room{Position: store.Position{Seq: seq, Born: "born"}, Members: members}
}

// event is one that follows prev in the record of loaded.
func event(prev, seq int64, intent store.Intent, m store.Member) *store.Event {
	e := &store.Event{
		Room: "room", Position: store.Position{Seq: seq, Born: "born"}, Prev: prev, Intent: intent, AtMs: beginMs,
		UserConns: 77, Member: m,
	}
	if e.Member.Seq = seq; intent == store.IntentLeave {
		e.Member = store.Member{ConnID: m.ConnID, UserID: m.UserID, Owner: m.Owner, Epoch: m.Epoch, Life: m.Life}
		e.Reason = store.ReasonLeave
	}
	return e
}

// pass lets time pass.
func (w *testRoom) pass(d time.Duration) {
	w.now = Now{Time: w.now.Time.Add(d), StoreMs: w.now.StoreMs + d.Milliseconds()}
}

// ends notes that this node ended a life; the event of that is not heard yet.
func (w *testRoom) ends(m store.Member) {
	w.tombstones.Add(Tombstone{
		Life: m.Life, Room: "room", ConnID: m.ConnID, UserID: m.UserID, Reason: store.ReasonKicked, Mine: true,
	}, w.now.Time)
}

// shown lists what is shown: the lives with their epochs, in order.
func (w *testRoom) shown() string {
	var list []string
	for m := range w.All() {
		list = append(list, fmt.Sprint(m.Life, m.Epoch))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// show is what clients see of a change: what, of whom, with which number after which,
// and how many connections the user has then.
func show(changes ...*Change) string {
	var list []string
	for _, c := range changes {
		if c == nil {
			continue
		}
		what := string(c.Type)
		if c.Type == wire.EventJoin && !c.Fresh {
			what = "rejoin"
		}
		if c.Reason != "" {
			what += "(" + string(c.Reason) + ")"
		}
		list = append(list, fmt.Sprintf("%s %s %d>%d x%d", what, c.UserID, c.Prev, c.Seq, c.UserConns))
	}
	return strings.Join(list, ", ")
}

func (s State) String() string {
	return [...]string{Loading: "loading", Current: "current", Suspect: "suspect", Rebuilding: "rebuilding"}[s]
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
