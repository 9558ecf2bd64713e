// Package storetest is the contract that every store.Store passes, and a
// wrapper that injects faults into one.
package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Backend is a store under test, with what the suite must see besides the
// interface.
type Backend interface {
	store.Store
	// Keys names every record held, sorted, without prefix or escaping.
	Keys() []string
	// ConnRecord returns the fields of a connection's record and its time to
	// live; nil when there is none.
	ConnRecord(connID string) (map[string]string, time.Duration)
	// Wipe drops every record.
	Wipe()
	// Age makes every life sign, mark of a dead node, claim and entry of a user older.
	Age(d time.Duration)
}

// TTL is the time to live of connection records that a Backend is opened with.
const TTL = 30 * time.Second

// patience ends a test that waits for what never comes.
const patience = 10 * time.Second

// Run runs the contract. open is called once per subtest and returns an empty
// store whose records of connections live for TTL; Run closes it.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	for _, g := range []group{
		{"Join", joinTests, false},
		{"JoinKnowing", joinTests, true},
		{"Enter", enterTests, false},
		{"EnterKnowing", enterTests, true},
		{"Write", writeTests, false},
		{"WriteKnowing", writeTests, true},
		{"Leave", leaveTests, false},
		{"LeaveKnowing", leaveTests, true},
		{"Resume", resumeTests, false},
		{"ResumeKnowing", resumeTests, true},
		{"Versions", versionTests, false},
		{"Reset", resetTests, false},
		{"Start", startTests, false},
		{"Bridge", bridgeTests, false},
		{"User", userTests, false},
		{"Page", pageTests, false},
		{"Conn", connTests, false},
		{"Node", nodeTests, false},
		{"Deadline", deadlineTests, false},
	} {
		t.Run(g.name, func(t *testing.T) { g.run(t, open) })
	}
}

// group is tests of one thing.
type group struct {
	name  string
	tests []test
	knows bool
}

func (g group) run(t *testing.T, open func(t *testing.T) Backend) {
	for _, c := range g.tests {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			c.run(&suite{T: t, b: b, ctx: ctx, knows: g.knows})
			if err := b.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

type test struct {
	name string
	run  func(s *suite)
}

// suite is one subtest.
type suite struct {
	*testing.T
	b   Backend
	ctx context.Context
	// knows: writes tell where the room stands, unless a test says where.
	knows bool
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) put(p store.Put) store.PutResult {
	s.Helper()
	s.from(p.Room, &p.From)
	res, err := store.PutAndWait(s.ctx, s.b, p)
	s.must(err)
	return res
}

// from fills in where the room stands.
func (s *suite) from(room string, at *store.Position) {
	s.Helper()
	if s.knows && *at == (store.Position{}) {
		*at = s.load(room).Position
	}
}

func (s *suite) remove(r store.Remove) store.Outcome {
	s.Helper()
	res, err := s.b.Remove(s.ctx, r)
	s.must(err)
	return res
}

func (s *suite) load(room string) store.Room {
	s.Helper()
	r, err := s.b.Load(s.ctx, room)
	s.must(err)
	slices.SortFunc(r.Members, func(a, b store.Member) int {
		if a.ConnID < b.ConnID {
			return -1
		}
		return 1
	})
	return r
}

// now is the store's time, Unix ms.
func (s *suite) now() int64 {
	s.Helper()
	b, err := s.b.Beat(s.ctx, store.BeatRequest{Node: "a clock"})
	s.must(err)
	s.must(s.b.Retire(s.ctx, "a clock"))
	return b.NowMs
}

// late fails unless the error is that of a write that came after its time.
func (s *suite) late(err error) {
	s.Helper()
	if !errors.Is(err, store.ErrUnavailable) || s.ctx.Err() != nil {
		s.Errorf("error %v", err)
	}
}

func (s *suite) noKeys() {
	s.Helper()
	if k := s.b.Keys(); len(k) != 0 {
		s.Errorf("left behind: %q", k)
	}
}

// outcome fails unless it is as wanted.
func (s *suite) outcome(got, want store.Outcome) {
	s.Helper()
	if got != want {
		s.Fatalf("outcome %d, want %d", got, want)
	}
}

// unchanged runs f and fails if the room is not as it was, or if anything was
// published in it.
func (s *suite) unchanged(room string, f func()) {
	s.Helper()
	rec := s.subscribe(room)
	before := s.load(room)
	f()
	same(s, s.load(room), before)
	s.quiet(rec, room)
	rec.sub.Close()
}

const room = "r"

// conns fails unless the next event says how many members its user has.
func (s *suite) conns(rec *recorder, want int) {
	s.Helper()
	if e := s.event(rec); e.UserConns != want {
		s.Errorf("%s has %d members after %c of %s, want %d", e.Member.UserID, e.UserConns, e.Intent, e.Member.ConnID, want)
	}
}

// joinOf is a first join of a connection into the room.
func joinOf(conn, user string) store.Put {
	return store.Put{Room: room, Intent: store.IntentJoin, Member: store.Member{
		ConnID: conn, UserID: user, Owner: "node1", Epoch: 1, Write: 1, Life: "life-of_" + conn, State: []byte(`{"a":1}`),
	}}
}

// next is the next write of a member that stands.
func next(m store.Member, state string) store.Put {
	m.Write++
	m.State = []byte(state)
	return store.Put{Room: room, Intent: store.IntentUpdate, Member: m, Fence: m.Epoch}
}

// leaveOf is a leave of a member that stands.
func leaveOf(m store.Member) store.Remove {
	return store.Remove{Room: room, ConnID: m.ConnID, Epoch: m.Epoch, Reason: store.ReasonLeave}
}
