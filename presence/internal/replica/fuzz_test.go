package replica

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Whatever the store does, and whatever is lost on the way: the numbers of what clients
// see are a chain, who follows it has what the replica shows, and once all is well again
// the replica shows what the store has.
func FuzzReplica(f *testing.F) {
	random := rand.NewChaCha8([32]byte{})
	for range 500 {
		steps := make([]byte, 120)
		_, _ = random.Read(steps)
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		s := newStory(t)
		for len(steps) >= 2 {
			s.step(steps[0], steps[1])
			s.check()
			steps = steps[2:]
		}
		s.end()
	})
}

// story is a store with one room, the events on their way from it, a replica, and a
// client that follows what it shows.
type story struct {
	*testing.T
	w      *testRoom
	record store.Room
	before store.Room // what the store has again after a failover
	events []store.Event
	lives  int
	ended  []store.Member // lives that ended
	began  time.Time      // when a load began that is under way; zero: none is
	load   store.Room     // what it found
	client map[string]view
	seq    int64 // at which the client stands
}

// view is what a client has of a member.
type view struct {
	user, state string
	away        bool
}

func newStory(t *testing.T) *story {
	s := &story{T: t, w: newRoom(), client: make(map[string]view), seq: 100}
	s.record = loaded(100)
	s.w.Load(s.record, s.w.now.Time, s.w.now)
	return s
}

// step does one thing, to one of four connections.
func (s *story) step(what, which byte) {
	conn := string(rune('a' + which%4))
	more := which / 4
	i := slices.IndexFunc(s.record.Members, func(m store.Member) bool { return m.ConnID == conn })
	switch what % 16 {
	case 0, 1:
		s.join(i, conn, []string{"ann", "bob"}[more%2])
	case 2, 3:
		s.write(i, store.IntentUpdate, func(m *store.Member) { m.State, m.Away = []byte(fmt.Sprint(more)), more%5 == 0 })
	case 4:
		s.write(i, store.IntentResume, func(m *store.Member) { m.Epoch, m.Owner, m.Away = m.Epoch+1, fmt.Sprint(more%3), false })
	case 5:
		s.leave(i, more%2 == 0)
	case 6, 7, 8, 9: // what is under way arrives
		for n := more%3 + 1; n > 0 && len(s.events) > 0 && s.began.IsZero(); n-- {
			s.receive()
		}
	case 10: // or does not
		if len(s.events) > 0 {
			s.events = s.events[1:]
		}
	case 11:
		s.before = s.copyOf()
	case 12: // a failover
		if s.before.Born != "" {
			s.record = s.before
			s.before = s.copyOf()
		}
	case 13: // the record is lost with all members
		if more%4 == 0 {
			s.record = store.Room{Position: store.Position{Seq: int64(more), Born: fmt.Sprint("born ", s.lives)}}
			s.lives++
		}
	case 14:
		s.w.pass(time.Duration(more) * 300 * time.Millisecond)
		if more%3 == 0 {
			s.restoreEnded(more)
		}
	case 15:
		s.startLoad()
		if more%2 == 0 {
			s.endLoad(more)
		}
	}
}

func (s *story) copyOf() store.Room {
	return store.Room{Position: s.record.Position, Members: slices.Clone(s.record.Members)}
}

// join makes a member, or gives one another epoch, or another user.
func (s *story) join(i int, conn, user string) {
	m := store.Member{ConnID: conn, UserID: user, Owner: "0", Epoch: 1, Write: 1, State: []byte("{}")}
	if i >= 0 {
		m.Epoch, m.Write = s.record.Members[i].Epoch+1, s.record.Members[i].Write+1
	}
	if shown := s.w.Member(conn); shown != nil {
		m.Epoch = max(m.Epoch, shown.Epoch+1)
	}
	if i >= 0 && s.record.Members[i].UserID == user {
		m.Life = s.record.Members[i].Life
	} else {
		s.lives++
		m.Life = fmt.Sprint("life ", s.lives)
	}
	if i < 0 {
		s.record.Members = append(s.record.Members, m)
		i = len(s.record.Members) - 1
	}
	s.write(i, store.IntentJoin, func(stored *store.Member) { *stored = m })
}

// write changes a member that stands.
func (s *story) write(i int, intent store.Intent, change func(m *store.Member)) {
	if i < 0 {
		return
	}
	m := &s.record.Members[i]
	change(m)
	if intent != store.IntentJoin {
		m.Write++
	}
	s.publish(intent, m)
}

func (s *story) publish(intent store.Intent, m *store.Member) {
	prev := s.record.Seq
	s.record.Seq++
	e := event(prev, s.record.Seq, intent, *m)
	e.Born, e.AtMs = s.record.Born, s.w.now.StoreMs
	m.Seq = e.Seq
	s.events = append(s.events, *e)
}

// leave ends a life, by this node or by another one.
func (s *story) leave(i int, mine bool) {
	if i < 0 {
		return
	}
	m := s.record.Members[i]
	s.record.Members = slices.Delete(slices.Clone(s.record.Members), i, i+1)
	s.publish(store.IntentLeave, &m)
	s.ended = append(s.ended, m)
	if mine {
		s.w.ends(m)
	}
}

// restoreEnded has an owner restore a life that ended.
func (s *story) restoreEnded(more byte) {
	if len(s.ended) == 0 {
		return
	}
	m := s.ended[int(more)%len(s.ended)]
	if slices.ContainsFunc(s.record.Members, func(other store.Member) bool { return other.ConnID == m.ConnID }) {
		return
	}
	s.record.Members = append(s.record.Members, m)
	s.write(len(s.record.Members)-1, store.IntentRestore, func(m *store.Member) { m.Epoch++ })
}

func (s *story) receive() {
	e := s.events[0]
	s.events = s.events[1:]
	out := s.w.Receive(&e, s.w.now)
	s.see(out.Change)
	if !out.Taken {
		s.startLoad()
	}
}

func (s *story) startLoad() {
	if s.began.IsZero() {
		s.began, s.load = s.w.now.Time, s.copyOf()
	}
}

// endLoad makes what a load found the replica. Of the owners, one may be dead.
func (s *story) endLoad(more byte) {
	l := &Reload{Room: s.load, Began: s.began, DataLoss: more%16 == 0, Held: s.events, Dead: make(map[string]bool)}
	for _, owner := range s.w.Owners(l, s.w.now.Time) {
		l.Dead[owner] = owner == "2"
	}
	s.began = time.Time{}
	for _, c := range s.w.Reload(l, s.w.now).Changes {
		s.see(c)
	}
}

// see is what the client makes of a change.
func (s *story) see(c *Change) {
	if c == nil {
		return
	}
	if c.Prev > s.seq || c.Seq <= s.seq {
		s.Fatalf("a client that stands at %d sees %s", s.seq, show(c))
	}
	s.seq = c.Seq
	known, was := s.client[c.ConnID]
	switch {
	case c.Type == wire.EventJoin && (c.Fresh == was || was && known.user != c.UserID),
		c.Type != wire.EventJoin && (!was || known.user != c.UserID):
		s.Fatalf("a client that has %v of %s sees %s", known, c.ConnID, show(c))
	case c.Type == wire.EventLeave:
		delete(s.client, c.ConnID)
	default:
		s.client[c.ConnID] = view{c.UserID, string(c.State), c.Status == wire.StatusAway}
	}
	n := 0
	for _, v := range s.client {
		if v.user == c.UserID {
			n++
		}
	}
	if n != c.UserConns {
		s.Fatalf("a client counts %d connections and sees %s", n, show(c))
	}
}

func (s *story) check() {
	shown := make(map[string]view)
	for m := range s.w.All() {
		shown[m.ConnID] = view{m.UserID, string(m.State), m.Away}
	}
	if !maps.Equal(shown, s.client) {
		s.Fatalf("the client has %v, the replica %v", s.client, shown)
	}
	if !s.w.IsCurrent(s.seq) {
		s.Fatalf("the client stands at %d, and the replica at %d takes that for old", s.seq, s.w.Seq())
	}
	if s.w.Seq() > s.seq && s.w.Seq() < s.w.Loaded().Seq {
		s.Fatalf("clients that come now stand at %d, below %d", s.w.Seq(), s.w.Loaded().Seq)
	}
}

// end has all become well: what is under way arrives, what is lost is given up, and the
// replica is loaded.
func (s *story) end() {
	s.endLoadUnderWay()
	for len(s.events) > 0 {
		s.receive()
		s.check()
		s.endLoadUnderWay()
	}
	for range 2 {
		s.startLoad()
		s.endLoad(1)
		s.check()
		s.w.pass(RebuildTime)
	}
	s.startLoad()
	s.endLoad(1)
	s.check()
	if s.w.State() != Current {
		s.Fatalf("the replica is %v at the end", s.w.State())
	}
	stands, shown := make(map[string]string), make(map[string]string)
	for _, m := range s.record.Members {
		if _, ended := s.w.tombstones.Of(m.Life, s.w.now.Time); !ended {
			stands[m.ConnID] = fmt.Sprint(m.Life, m.Epoch, m.Owner, m.Write, string(m.State))
		}
	}
	for m := range s.w.All() {
		shown[m.ConnID] = fmt.Sprint(m.Life, m.Epoch, m.Owner, m.Write, string(m.State))
	}
	if !maps.Equal(shown, stands) {
		s.Fatalf("the replica shows %v, the store has %v", shown, stands)
	}
}

func (s *story) endLoadUnderWay() {
	if !s.began.IsZero() {
		s.endLoad(1)
		s.check()
	}
}
