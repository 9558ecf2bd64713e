package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// seatKey is a client's place in a room.
type seatKey struct {
	c    *client
	room string
}

// seatID is an owned member by its name.
type seatID struct{ room, connID string }

// heardOf is an owned member that a client hears of.
type heardOf struct {
	c *client
	seatID
}

// belief is what a client knows of its own owned member, by what it was told.
type belief struct {
	seatKey
	node    *simNode // the client's
	in      bool
	connID  string
	user    string
	epoch   int64
	open    int       // joins and leaves without an answer
	unsure  bool      // a join was refused: who knows what it left
	told    bool      // not_joined was answered
	taken   bool      // another client resumed it
	over    bool      // its leave, for good, was acknowledged
	overAt  time.Time // when
	since   int       // the order of that join
	value   int       // the state that the join brought, or else that its answer showed
	written []*write  // the patches since then

	asked    []time.Time   // when it sent what has no answer yet
	askedAt  time.Time     // when it last asked to join or to leave
	grace    time.Duration // that the join's answer gave
	outAt    time.Time     // when it was out of the room, as far as it knows
	outGrace time.Duration // for how long it may be shown after that
}

// fading is an owned member that has ended: when, and for how long it may be shown after
// that, as far as its client knows; and for how long if its node died with the leave.
type fading struct {
	node        *simNode
	at          time.Time
	grace, full time.Duration
}

// write is one patch.
type write struct {
	n     int
	epoch int64 // sent with it
	known bool  // acknowledged as a change
}

func parseAck(t *testing.T, ack []byte) (a wireAck) {
	if err := json.Unmarshal(ack, &a); err != nil {
		t.Errorf("ack %s: %v", ack, err)
	}
	return a
}

// believes returns what a client knows of a room. s.mu is held.
func (s *simulation) believes(c *client, room string) *belief {
	key := seatKey{c, room}
	if s.seats[key] == nil {
		b := &belief{seatKey: key, node: s.of[c.node]}
		s.seats[key] = b
		s.inRoom[room] = append(s.inRoom[room], b)
	}
	return s.seats[key]
}

// asks notes that a client sends what may change its owned member.
func (s *simulation) asks(c *client, room string) *belief {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.believes(c, room)
	b.open++
	b.askedAt = time.Now()
	b.asked = append(b.asked, b.askedAt)
	return b
}

// answered notes that the first of the requests is answered that were not. s.mu is
// held.
func (b *belief) answered() {
	b.open--
	b.asked = b.asked[1:]
}

// isOut notes that a client is out of a room, and for how long its member may stay.
// s.mu is held.
func (b *belief) isOut(grace time.Duration) {
	b.in, b.outAt, b.outGrace = false, time.Now(), grace
}

// joined notes the answer to a join; brings says that its state had the join's order.
func (s *simulation) joined(b *belief, user string, order int, brings bool, a wireAck) {
	s.log("ack of join", b.c.name, b.room, a.OK, a.Code, a.Self.ConnID, a.Self.Epoch, a.Resumed)
	s.mu.Lock()
	defer s.mu.Unlock()
	b.answered()
	if !a.OK {
		b.unsure, b.over = true, false // it may have taken effect
		return
	}
	for _, other := range s.inRoom[b.room] {
		if other != b && other.connID == a.Self.ConnID {
			other.isOut(0)
			other.taken, other.over = true, false
		}
	}
	if was := (seatID{b.room, b.connID}); b.connID != "" && b.connID != a.Self.ConnID {
		if b.in {
			b.isOut(0)
		}
		s.fading[was] = fading{b.node, b.outAt, b.outGrace, b.grace}
	}
	b.grace = time.Duration(a.Self.GraceMs) * time.Millisecond
	b.in, b.unsure, b.told, b.taken, b.over, b.since = true, false, false, false, false, order
	b.written = slices.DeleteFunc(b.written, func(p *write) bool { return p.n <= order })
	b.connID, b.user, b.epoch = a.Self.ConnID, user, a.Self.Epoch
	for _, m := range a.Snapshot {
		if m.ConnID == b.connID {
			b.value = stateValue(m.State)
		}
	}
	if brings { // the answer may show what a store that went back has
		b.value = order
	}
	if a.Self.Resume != "" {
		s.tokens[a.Self.Resume] = membershipOf{b.room, user}
	}
}

// stateValue is the n of a state; 0 if it has none.
func stateValue(state json.RawMessage) int {
	var v struct{ N int }
	_ = json.Unmarshal(state, &v)
	return v.N
}

// contest notes that a client wants an owned member that others may have.
func (s *simulation) contest(room, token string) {
	if token == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.contested[seatID{room, connOf(token)}]++
}

// decided notes how that went: a resume that is refused may still have taken
// the owned member, into a grace.
func (s *simulation) decided(room, token string, a wireAck) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token != "" && a.OK {
		s.contested[seatID{room, connOf(token)}]--
	}
}

func (s *simulation) left(asked []*belief, order, graceMs int, a wireAck) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range asked {
		if b.c.isGone() {
			return // nobody hears this answer
		}
		b.answered()
		switch {
		case b.since > order: // it joined again
		case a.OK:
			if graceMs == 0 && b.in && !b.unsure {
				b.over, b.overAt = true, time.Now()
			}
			if b.in || b.unsure { // else it had left before, and this changes nothing
				b.isOut(time.Duration(graceMs) * time.Millisecond)
			}
			b.unsure = false
		default:
			b.unsure = true
		}
	}
}

func (s *simulation) patches(c *client, room string, n int) (*belief, *write) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.believes(c, room)
	p := &write{n: n}
	if b.in && b.open == 0 && !b.unsure {
		p.epoch = b.epoch
	}
	b.written = append(b.written, p)
	return b, p
}

func (s *simulation) patched(b *belief, p *write, a wireAck) {
	s.log("ack of patch", b.c.name, b.room, p.n, a.OK, a.Code, a.Changed, a.Stale)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.known = a.OK && a.Changed
	switch {
	case a.Code == wire.CodeNotJoined:
		b.told = true
	case a.Stale && p.epoch >= b.epoch:
		s.w.t.Errorf("%s: a patch with epoch %d is stale in room %s", b.c.name, p.epoch, b.room)
	}
}

// heard is what an event says about the client's own owned member, and about
// that of others: nobody leaves who is there (I5).
func (s *simulation) heard(c *client, e wireEvent) {
	s.log(c.name, "hears", e, e.ConnID, "epoch", e.Epoch, "seq", e.Seq)
	s.noteDead()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.believes(c, e.RoomID)
	for _, of := range s.inRoom[e.RoomID] {
		if e.Type == "leave" && of.connID == e.ConnID && of.user == e.UserID && s.mustStand(of) && e.Epoch >= of.epoch {
			s.w.t.Errorf("%s hears %v (%s, epoch %d), but %s is there", c.name, e, e.ConnID, e.Epoch, of.c.name)
		}
	}
	s.checkGone(c, e)
	s.checkAway(c, e)
	switch {
	case e.ConnID != b.connID || b.taken:
	case e.Type == "leave":
		b.isOut(0)
	default:
		b.in = true
	}
}

// checkGone notes whose leave a client has heard, and that who left for good does
// not come back unless the node that knew died. s.mu is held.
func (s *simulation) checkGone(c *client, e wireEvent) {
	key := heardOf{c, seatID{e.RoomID, e.ConnID}}
	if e.Type == "leave" {
		s.leaves[key] = e.Epoch
		return
	}
	if left := s.leaves[key]; e.Type == "join" && left > 0 {
		for _, of := range s.inRoom[e.RoomID] {
			if of.over && of.open == 0 && left >= of.epoch && of.connID == e.ConnID && of.user == e.UserID &&
				!s.disputed(of) && !s.dead[of.c.node] && slices.Contains(s.nodes, of.node) {
				s.w.t.Errorf("%s hears %v (%s, epoch %d), but %s had left", c.name, e, e.ConnID, e.Epoch, of.c.name)
			}
		}
	}
	delete(s.leaves, key)
}

// checkAway notes that nobody is shown away whose connection was up and not silent:
// an answer that was lost may show that late, and a node that stands still reads
// nothing. s.mu is held.
func (s *simulation) checkAway(c *client, e wireEvent) {
	for f, yes := range s.happened {
		if yes && fault(f) != faultCrash && fault(f) != faultDrain {
			return
		}
	}
	for _, of := range s.inRoom[e.RoomID] {
		if e.Status != string(wire.StatusAway) || of.connID != e.ConnID || e.Epoch < of.epoch || !s.mustStand(of) {
			continue
		}
		silent := time.Since(*of.c.heardAt.Load())
		if silent < testSettings.SilentAfter {
			s.w.t.Errorf("%s hears %v (%s), but %s sent something %v ago", c.name, e, e.ConnID, of.c.name, silent)
		}
	}
}

// mustStand reports whether an owned member has no reason to end, not even for a
// moment. s.mu is held.
func (s *simulation) mustStand(b *belief) bool { return s.stands(b) && !s.dead[b.c.node] }

// stands reports whether a client is in a room for good: its node may have been
// taken for dead, but then it comes back. s.mu is held.
func (s *simulation) stands(b *belief) bool {
	return b.in && b.open == 0 && !b.unsure && !b.told && !b.c.isGone() && !s.mayBeKicked(b) && !s.disputed(b)
}

// disputed reports whether others may have an owned member by right: a resume of
// it is open or was refused, or the store lost who resumed it last. s.mu is held.
func (s *simulation) disputed(b *belief) bool {
	if s.contested[seatID{b.room, b.connID}] > 0 {
		return true
	}
	if !s.lostData() {
		return false
	}
	return slices.ContainsFunc(s.inRoom[b.room], func(other *belief) bool { return other != b && other.seatKey != b.seatKey && other.connID == b.connID })
}

// lostData reports whether the store lost data so far. s.mu is held.
func (s *simulation) lostData() bool {
	return s.happened[faultWipe] || s.happened[faultRewind] || s.happened[faultPart]
}

// noteDead notes which nodes the store has marked dead so far.
func (s *simulation) noteDead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range slices.Concat(s.nodes, s.leaving) {
		if id := n.eng.Self(); !slices.Contains(n.ids, id) {
			n.ids = append(n.ids, id)
		}
		states, err := s.mem.NodeStates(context.Background(), n.ids)
		if err == nil && slices.Contains(states, store.NodeDead) {
			s.dead[n.eng] = true
		}
	}
}

// noteSilent notes the nodes that cannot restore their members soon after the
// store lost them.
func (s *simulation) noteSilent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if n.frozen {
			s.dead[n.eng] = true
		}
	}
}

// mayBeLeft reports whether a key is left of a node that nobody can find: its index; or
// where a user is whose member the store lost without that, or before that was written,
// and whose node did not live to restore it, or whose kick was not answered in full, and neither
// the kicker nor the owner lived on: such an entry goes when its time to live is over.
func (s *simulation) mayBeLeft(key string) bool {
	if strings.HasPrefix(key, "user:") {
		return (s.lostData() || s.kickInDoubt) && (s.happened[faultCrash] || s.happened[faultDrain])
	}
	return slices.ContainsFunc(s.forgotten, func(n *simNode) bool { return key == n.index() })
}

// check compares the world at rest with what everybody believes: I1 and I4.
func (s *simulation) check() {
	synctest.Wait()
	for _, room := range simRooms {
		s.nudge(room)
		s.w.agree(room)
		stands := make(map[string]store.Member)
		for _, m := range s.w.stored(room) {
			stands[m.ConnID] = m
		}
		for _, c := range s.connected() {
			if b := s.checkSeat(c, room); b != nil {
				m, ok := stands[b.connID]
				delete(stands, b.connID)
				s.checkMember(b, m, ok)
			}
		}
		for _, m := range stands {
			s.w.t.Errorf("a ghost in room %s: %s of %s, epoch %d, until %d", room, m.ConnID, m.UserID, m.Epoch, m.UntilMs)
		}
	}
}

// checkSeat asks whether a client is in a room, and returns what it believes if so.
func (s *simulation) checkSeat(c *client, room string) *belief {
	s.mu.Lock()
	b := *s.believes(c, room)
	b.unsure = b.unsure || b.taken || s.disputed(&b)
	s.mu.Unlock()
	ack := c.send("heartbeat", fmt.Sprintf(`{"roomId":%q}`, room)).wait()
	switch {
	case b.open > 0:
		s.w.t.Errorf("%s: %d requests for room %s have no answer", c.name, b.open, room)
	case ack.OK && !b.in && !b.unsure:
		s.w.t.Errorf("%s is in room %s, but was told that it is not", c.name, room)
	case !ack.OK && b.in && !b.unsure && !b.told:
		s.w.t.Errorf("%s is not in room %s any more, and nobody told it", c.name, room)
	}
	if !ack.OK {
		return nil
	}
	return &b
}

// checkMember compares a member with what its client believes.
func (s *simulation) checkMember(b *belief, m store.Member, ok bool) {
	if !ok {
		s.w.t.Errorf("%s is in room %s as %s, but the store has no such member", b.c.name, b.room, b.connID)
		return
	}
	if m.Away || m.UntilMs > 0 {
		s.w.t.Errorf("%s in room %s stands as away, until %d, though it is connected and answers", b.c.name, b.room, m.UntilMs)
	}
	may := []int{b.value}
	for _, p := range b.written {
		if p.known {
			may = nil
		}
		may = append(may, p.n)
	}
	if got := stateValue(m.State); m.UserID != b.user || !slices.Contains(may, got) {
		s.w.t.Errorf("%s in room %s stands as %s with n %d, want %s with one of %d", b.c.name, b.room, m.UserID, got, b.user, may)
	}
}

// nudge makes each client in the room stand at its newest event: a client
// that missed the last one learns of it with the next, or by a sync.
func (s *simulation) nudge(room string) {
	for _, c := range s.w.clients {
		if !c.isIn(room) {
			continue
		}
		if ack := c.send("sync", fmt.Sprintf(`{"roomId":%q}`, room)).wait(); !ack.OK {
			s.w.t.Errorf("%s: sync of %s: %+v", c.name, room, ack)
		}
	}
	synctest.Wait()
}

// connOf is the connId in a token.
func connOf(token string) string {
	connID, _, _ := strings.Cut(token, ".")
	return connID
}
