package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// transient is a way to be wrong for a while.
type transient int

const (
	ghost      transient = iota // a member is shown that is gone
	gap                         // a member that is there is not shown
	falseAway                   // a member is shown away that is connected and not silent
	stale                       // a member is shown with a state that was replaced
	unheard                     // a connection that is silent for too long stands
	unanswered                  // a join or leave has no answer
	transientCount
)

// String implements fmt.Stringer.
func (k transient) String() string {
	return [transientCount]string{"ghost", "gap", "false away", "stale state", "silent connection", "no answer"}[k]
}

// bound is how long it may last beyond what excuses it. Nothing in a simulation
// takes time but what goes wrong: it is that of some looks.
func (k transient) bound() time.Duration {
	switch k {
	case unheard:
		return testSettings.ReaperInterval + slack
	case unanswered: // however the store is
		return testSettings.StoreTimeout + slack
	}
	return slack
}

// lookEvery and restEvery are how often the judge looks: while things happen and
// for a while after that, and at rest.
const (
	lookEvery = 200 * time.Millisecond
	restEvery = time.Second
	restAfter = 40 * time.Second
)

// judge compares what everybody shows with what must be true (I1, I5, I6), and
// knows for how long it was wrong.
type judge struct {
	complain func(line string)
	looks    int
	calm     time.Time // when everything that goes wrong ended
	spells   map[wrong]*spell
	longest  [transientCount]time.Duration
}

// wrong is what an observer is wrong about.
type wrong struct {
	observer string
	seatID
	kind transient
	// shows is what it shows instead, if it is told changes together: the next wrong begins when that is
	// told, and waits for a tick of its own.
	shows string
}

// spell is for how long.
type spell struct {
	began time.Time
	look  int // the last that found it
	told  bool
}

// view is how somebody shows a room.
type view struct {
	observer string
	node     *simNode // nil: the store
	client   *client  // nil: none
	members  []shownMember
}

// tick is how much later it may show a change than others, since its node gathers them.
func (v *view) tick() time.Duration {
	if v.client != nil && v.node.gathers && strings.Contains(v.client.format, "true") {
		return simTick
	}
	return 0
}

type shownMember struct {
	connID, userID string
	away           bool
	n              int // its state
}

// watch has the judge look all the time, until the function that it returns is
// called.
func (s *simulation) watch() (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(1337 * time.Microsecond) // not at the same moment as everything else
		for {
			s.mu.Lock()
			every := lookEvery
			if at := s.judge.calm; !at.IsZero() && time.Since(at) > restAfter {
				every = restEvery
			}
			s.mu.Unlock()
			select {
			case <-time.After(every):
				s.look()
			case <-end:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(end)
		<-done
	})
}

// look is one look at everybody.
func (s *simulation) look() {
	now := time.Now()
	s.watchNodes(now)
	s.mu.Lock()
	s.judge.looks++
	s.noteGone(now)
	s.mu.Unlock()
	for _, room := range simRooms {
		views := s.views(room)
		s.mu.Lock()
		s.judgeRoom(room, views, now)
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judgeSilent(now)
	s.judgeAnswers(now)
	for key, sp := range s.judge.spells {
		if sp.look != s.judge.looks {
			delete(s.judge.spells, key)
		}
	}
}

// noteGone notes when connections ended. s.mu is held.
func (s *simulation) noteGone(now time.Time) {
	for _, c := range s.clients {
		if c.isGone() && s.goneAt[c].IsZero() {
			s.goneAt[c] = now
		}
	}
}

// views is how everybody shows a room: clients who are in it, nodes that have it
// open to their application, and the store.
func (s *simulation) views(room string) (list []view) {
	s.mu.Lock()
	clients := slices.DeleteFunc(slices.Clone(s.clients), (*client).isGone)
	nodes := slices.DeleteFunc(slices.Concat(s.nodes, s.leaving), func(n *simNode) bool { return n.frozen })
	of := make([]*simNode, len(clients))
	for i, c := range clients {
		of[i] = s.of[c.node]
	}
	s.mu.Unlock()
	open := false
	for _, n := range nodes {
		if members, ok := replicaView(n.eng, room); ok {
			open = true
			list = append(list, view{"Members on " + n.name, n, nil, members})
		}
	}
	for i, c := range clients {
		if members, ok := c.shows(room); ok {
			list = append(list, view{"client " + c.name + " on " + of[i].name, of[i], c, members})
		}
	}
	if !open { // what is left of dead nodes may be found by those who open the room
		return list
	}
	loaded, err := s.mem.Load(s.w.t.Context(), room)
	if err != nil {
		return list
	}
	stored := view{observer: "the store"}
	for i := range loaded.Members {
		m := &loaded.Members[i]
		stored.members = append(stored.members, shownMember{m.ConnID, m.UserID, m.Away, numberOf(m.State)})
	}
	return append(list, stored)
}

// replicaView is what Members answers on a node that has the room open.
func replicaView(e *Engine, room string) (members []shownMember, ok bool) {
	r := e.Owned.Of(room)
	if r == nil {
		return nil, false
	}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if r.Rep.State() == replica.Loading {
		return nil, false
	}
	for m := range r.Rep.All() {
		members = append(members, shownMember{m.ConnID, m.UserID, m.Away, numberOf(m.State)})
	}
	return members, true
}

// shows is the client's map of a room that it is in.
func (c *client) shows(room string) (members []shownMember, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rooms[room]
	if r == nil || !c.entered[room] || r.part {
		return nil, false
	}
	for _, m := range r.members {
		members = append(members, shownMember{m.ConnID, m.UserID, m.Status == string(wire.StatusAway), numberOf(m.State)})
	}
	return members, true
}

// numberOf is the n of a state as the simulation writes it; 0 if it has none.
func numberOf(state []byte) int {
	n, _ := strconv.Atoi(string(bytes.TrimSuffix(bytes.TrimPrefix(state, []byte(`{"n":`)), []byte("}"))))
	return n
}

// judgeRoom looks at all who show a room. s.mu is held.
func (s *simulation) judgeRoom(room string, views []view, now time.Time) {
	var there []*belief
	for _, b := range s.inRoom[room] {
		if s.stands(b) {
			there = append(there, b)
		}
	}
	explained := make(map[string]*explanation)
	for i := range views {
		v := &views[i]
		if v.client != nil && !s.listens(v.client, room) {
			continue
		}
		for _, b := range there {
			s.judgeMember(v, b, now)
		}
		for j := range v.members {
			m := &v.members[j]
			x := explained[m.connID]
			if x == nil {
				x = s.explain(seatID{room, m.connID}, now)
				explained[m.connID] = x
			}
			if !x.holds {
				s.found(ghost, v, seatID{room, m.connID}, m.userID, s.owner(x), s.excuseGhost(v.node, x), now)
			}
		}
	}
}

// listens reports whether a client knows itself to be in a room, so that its map
// counts. s.mu is held.
func (s *simulation) listens(c *client, room string) bool {
	b := s.seats[seatKey{c, room}]
	return b != nil && b.in && b.open == 0 && !b.unsure && !b.told && !b.taken
}

// judgeMember looks at how a member is shown that is there. s.mu is held.
func (s *simulation) judgeMember(v *view, b *belief, now time.Time) {
	seat := seatID{b.room, b.connID}
	free := s.excuseOf(v.node, b.node, false)
	at := slices.IndexFunc(v.members, func(m shownMember) bool { return m.connID == b.connID })
	if at < 0 || v.members[at].userID != b.user {
		s.found(gap, v, seat, b.user, b.node, free, now)
		return
	}
	m := &v.members[at]
	if m.away && now.Sub(*b.c.heardAt.Load()) < testSettings.SilentAfter {
		s.found(falseAway, v, seat, b.user, b.node, free, now)
	}
	if !b.mayBe(m.n) {
		s.found(stale, v, seat, b.user, b.node, free, now)
	}
}

// judgeSilent looks for connections that should have been closed for their silence.
// s.mu is held.
func (s *simulation) judgeSilent(now time.Time) {
	for _, c := range s.clients {
		if c.isGone() || now.Sub(*c.heardAt.Load()) < testSettings.Lookback {
			continue
		}
		for _, room := range simRooms {
			if b := s.seats[seatKey{c, room}]; b != nil && s.stands(b) {
				v := &view{observer: "its node", node: b.node}
				s.found(unheard, v, seatID{room, b.connID}, b.user, b.node, s.excuseOf(b.node, nil, false), now)
			}
		}
	}
}

// judgeAnswers looks for requests that have waited too long. s.mu is held.
func (s *simulation) judgeAnswers(now time.Time) {
	for key, b := range s.seats {
		if b.open == 0 || key.c.isGone() || b.node.frozen {
			continue
		}
		v := &view{observer: "client " + key.c.name + " of " + b.node.name, node: b.node}
		s.found(unanswered, v, seatID{b.room, b.connID}, b.user, b.node, excuse{later(b.asked[0], b.node.thawed), "not asked before"}, now)
	}
}

// mayBeUnowned reports whether the members of a node may stand in the store without anybody
// who knows whose they are: those of a node that was taken for dead may be another one's.
// s.mu is held.
func (s *simulation) mayBeUnowned(owner *simNode) bool {
	return owner != nil && (owner.unowned ||
		s.dead[owner.eng] && slices.ContainsFunc(s.ended, func(n *simNode) bool { return n.unowned }))
}

// found notes that an observer is wrong, and complains when it is for too long.
// s.mu is held.
func (s *simulation) found(k transient, v *view, seat seatID, user string, owner *simNode, free excuse, now time.Time) {
	j := &s.judge
	key := wrong{observer: v.observer, seatID: seat, kind: k}
	if v.tick() > 0 {
		for _, m := range v.members {
			if m.connID == seat.connID {
				key.shows = fmt.Sprint(m)
			}
		}
	}
	sp := j.spells[key]
	if sp == nil {
		sp = &spell{began: now}
		j.spells[key] = sp
	}
	sp.look = j.looks
	if k == ghost && s.mayBeUnowned(owner) {
		free = excuse{later(free.until, sp.began).Add(unownedFor), "nobody knew that it is " + owner.name + "'s"}
	}
	age := now.Sub(later(sp.began, free.until)) - v.tick()
	j.longest[k] = max(j.longest[k], age)
	if age <= k.bound() || sp.told {
		return
	}
	sp.told = true
	line := fmt.Sprintf("%s: %s in room %s as %s, %s, at %s: for %v beyond what excuses it, the bound is %v; since %s",
		k, user, seat.room, seat.connID, v.observer, stamp(now), age.Round(time.Millisecond), k.bound(), stamp(sp.began))
	if !free.until.IsZero() {
		line += fmt.Sprintf(", excused until %s (%s)", stamp(free.until), free.why)
	}
	var shows []string
	for _, m := range v.members {
		shows = append(shows, fmt.Sprintf("%s=%s n %d away %t", m.connID, m.userID, m.n, m.away))
	}
	slices.Sort(shows)
	j.complain(line + "; it shows " + strings.Join(shows, ", "))
}
