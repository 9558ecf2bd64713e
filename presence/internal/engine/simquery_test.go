package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// kickOf is whom a kick was for: a user, or one connection.
type kickOf struct{ room, user, connID string }

// mayBeKicked reports whether a member may have been removed by a kick since it
// asked to join. s.mu is held.
func (s *simulation) mayBeKicked(b *belief) bool {
	return !b.askedAt.After(s.kicked[kickOf{room: b.room, user: b.user}]) ||
		!b.askedAt.After(s.kicked[kickOf{room: b.room, connID: b.connID}])
}

// standing is a member that is there, and was when a query began.
type standing struct {
	b            *belief
	connID, user string
	askedAt      time.Time
}

// standingIn lists the members of a room that are there. s.mu is held.
func (s *simulation) standingIn(room string) (list []standing) {
	for _, b := range s.inRoom[room] {
		if s.stands(b) {
			list = append(list, standing{b, b.connID, b.user, b.askedAt})
		}
	}
	return list
}

// holds reports whether a member is still what it was. s.mu is held.
func (s *simulation) holds(m standing) bool {
	return s.stands(m.b) && m.b.connID == m.connID && m.b.user == m.user && m.b.askedAt.Equal(m.askedAt)
}

// queryTime is how long a query may take.
const queryTime = 2 * time.Second

// query asks a node who is in a room, or where a user is: an answer has who is
// there all the time, and nobody who is not.
func (s *simulation) query(room, user string) {
	n := pick(s.dice, s.running())
	if s.isFrozen(n) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTime)
	defer cancel()
	q := s.begin(n)
	if s.dice.IntN(2) == 0 {
		members, err := n.eng.Rooms.MembersOf(ctx, room)
		q.answered("Members("+room+") on "+n.name, err, func(of string) (list []shownMember) {
			for _, m := range members {
				if of == room {
					list = append(list, shownMember{m.ConnID, m.UserID, m.Status == wire.StatusAway, numberOf(m.State)})
				}
			}
			return list
		}, func(of string, _ standing) bool { return of == room })
		return
	}
	at, err := n.eng.RoomsOf(ctx, user)
	q.answered("RoomsOf("+user+") on "+n.name, err, func(of string) (list []shownMember) {
		for _, l := range at {
			if l.RoomID == of {
				list = append(list, shownMember{l.ConnID, user, l.Status == wire.StatusAway, 0})
			}
		}
		return list
	}, func(_ string, m standing) bool { return m.user == user })
}

// question is a query under way.
type question struct {
	s     *simulation
	n     *simNode
	asked time.Time
	there map[string][]standing // by room
}

func (s *simulation) begin(n *simNode) *question {
	q := &question{s: s, n: n, asked: time.Now(), there: make(map[string][]standing)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, room := range simRooms {
		q.there[room] = s.standingIn(room)
	}
	return q
}

// answered compares an answer with what is true: shown is what it says of a room,
// and about tells whether it is about a member.
func (q *question) answered(what string, err error, shown func(room string) []shownMember, about func(room string, m standing) bool) {
	s := q.s
	s.log(what, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if !errors.Is(err, store.ErrUnavailable) {
			s.judge.complain(fmt.Sprintf("%s: %v", what, err))
		}
		return
	}
	for _, room := range simRooms {
		members := shown(room)
		for _, m := range q.there[room] {
			if !about(room, m) || !s.holds(m) || !q.isFair(s.excuseOf(q.n, m.b.node, false)) {
				continue
			}
			if !slices.ContainsFunc(members, func(x shownMember) bool { return x.connID == m.connID && x.userID == m.user }) {
				s.judge.complain(fmt.Sprintf("%s at %s lacks %s, %s, in room %s: %v", what, stamp(q.asked), m.connID, m.user, room, members))
			}
		}
		for _, m := range members {
			seat := seatID{room, m.connID}
			if x := s.explain(seat, q.asked); !x.holds && !s.mayBeUnowned(s.owner(x)) && q.isFair(s.excuseGhost(q.n, x)) {
				s.judge.complain(fmt.Sprintf("%s at %s has %s, %s, in room %s, who is gone: %v", what, stamp(q.asked), m.connID, m.userID, room, members))
			}
		}
	}
}

// isFair reports whether nothing excused a wrong answer when the question was asked,
// and a little before that.
func (q *question) isFair(x excuse) bool { return x.until.Before(q.asked.Add(-slack)) }

// kick removes the members of a user, or one of them: when that succeeded, none that
// was there stands any more.
func (s *simulation) kick(room, user string) {
	n := pick(s.dice, s.running())
	if s.isFrozen(n) {
		return
	}
	q := s.begin(n)
	target, key := KickTarget{RoomID: room, UserID: user}, kickOf{room: room, user: user}
	if list := q.there[room]; len(list) > 0 && s.dice.IntN(2) == 0 {
		connID := pick(s.dice, list).connID
		target, key = KickTarget{RoomID: room, ConnID: connID}, kickOf{room: room, connID: connID}
	}
	s.log("kick", target, n.name)
	s.noteKick(key, time.Now().Add(time.Hour)) // while it is under way
	ctx, cancel := context.WithTimeout(context.Background(), queryTime)
	defer cancel()
	removed, err := n.eng.Kick(ctx, target)
	s.log("kicked", target, removed, err)
	s.mu.Lock()
	s.kickInDoubt = s.kickInDoubt || err != nil || s.happened[faultFail] || s.happened[faultHang] || s.happened[faultLate]
	s.mu.Unlock()
	if err != nil { // it may take effect later
		s.noteKick(key, time.Now().Add(2*testSettings.StoreTimeout+3*time.Second))
		return
	}
	s.noteKick(key, time.Now().Add(s.kickLag()))
	s.checkKicked(q, target)
}

// kickLag is for how long a join may still be undone by a kick before it. A node may restore a
// member of whose kick it has not heard: for a join or a resume, too. It is kicked when that
// event comes, or the kick is repeated.
func (s *simulation) kickLag() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	missed := s.happened[faultDrop] || s.happened[faultDelay] || s.happened[faultGap] || s.happened[faultCut] || s.happened[faultFreeze]
	if missed || s.lostData() {
		return replica.TombstoneTime
	}
	return 0
}

// undoKicks notes that the store may have gone back to before a kick, or a leave: a member
// that is resumed then is removed again when a node that knows of it hears of that.
func (s *simulation) undoKicks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	undone, until := time.Now().Add(-maxRewind), time.Now().Add(replica.TombstoneTime)
	for key, at := range s.kicked {
		if at.After(undone) {
			s.kicked[key] = until
		}
	}
	for _, b := range s.seats {
		if b.over && b.overAt.After(undone) {
			s.kicked[kickOf{room: b.room, connID: b.connID}] = until
		}
	}
}

func (s *simulation) noteKick(key kickOf, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kicked[key] = until
}

// checkKicked looks for members that were there when a kick began, and still are.
func (s *simulation) checkKicked(q *question, t KickTarget) {
	loaded, err := s.mem.Load(context.Background(), t.RoomID)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range loaded.Members {
		m := &loaded.Members[i]
		for _, was := range q.there[t.RoomID] {
			same := was.connID == m.ConnID && was.b.askedAt.Equal(was.askedAt) && was.b.connID == m.ConnID && s.contested[seatID{t.RoomID, m.ConnID}] == 0
			if same && (m.ConnID == t.ConnID || m.UserID == t.UserID) && q.isFair(s.excuseOf(q.n, was.b.node, true)) {
				s.judge.complain(fmt.Sprintf("Kick(%+v) on %s at %s left %s, %s, epoch %d", t, q.n.name, stamp(q.asked), m.ConnID, m.UserID, m.Epoch))
			}
		}
	}
}
