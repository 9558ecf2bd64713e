package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Authorizer decides whether a socket may join; nil: everybody may.
type Authorizer func(ctx context.Context, r wire.JoinRequest) error

// Join handles presence:join. It does not block.
func (s *Socket) Join(payload []byte, allow Authorizer, a rooms.Acker) {
	ss := s.all
	p, err := wire.ParseJoin(payload, ss.Limits)
	if err == nil && ss.Stopping.Load() {
		err = wire.ErrShuttingDown
	}
	if err != nil {
		ss.Refuse(a, err, "join")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	st := s.session(p.RoomID)
	if wanted, _ := s.wantedSessions(); wanted >= ss.Limits.Rooms && (st == nil || !st.wantsRoom) {
		a.Answer(wire.AppendRefusal(nil, wire.TooManyRooms(ss.Limits.Rooms)))
		return
	}
	if st == nil && len(s.sessions) >= 2*ss.Limits.Rooms { // those it left are not gone yet
		a.Answer(wire.AppendRefusal(nil, wire.ErrTooManyWaiting))
		return
	}
	st = s.openSession(p.RoomID)
	if st.post(a, len(payload), func(deadline time.Time) { st.runJoin(deadline, &p, allow, a) }) {
		st.wantsRoom = true
		st.joinsSent++
		st.joinsOpen++
	}
}

// runJoin is the executor's half of a join.
func (st *session) runJoin(deadline time.Time, p *wire.Join, allow Authorizer, a rooms.Acker) {
	ss := st.sock.all
	ctx, cancel := ss.Deadlines.Until(deadline)
	defer cancel()
	accepted := a
	if p.Sender {
		accepted = st.sock.conn.ExpectSender(a)
	}
	if err := st.tryJoin(ctx, p, allow, accepted); err != nil {
		st.logLateAnswer(err)
		ss.Refuse(a, err, "join")
	}
	st.joinDone()
}

// tryJoin does what a join asks for and answers it, or says why not.
func (st *session) tryJoin(ctx context.Context, p *wire.Join, allow Authorizer, a rooms.Acker) error {
	if st.sock.all.Stopping.Load() {
		return wire.ErrShuttingDown
	}
	if st.sock.gone() {
		return nil
	}
	if allow != nil {
		if err := st.sock.mayJoin(ctx, allow, p.Request()); err != nil || st.sock.gone() {
			return err
		}
	}
	if err := st.executor.ResolveInDoubt(ctx); err != nil {
		return err
	}
	if err := st.sock.all.Retries.Admit(st.roomID()); err != nil {
		return fmt.Errorf("join: %w: %w", store.ErrUnavailable, err)
	}
	if st.room == nil {
		r, err := st.sock.all.owned.Acquire(ctx, st.roomID())
		if err != nil {
			return err
		}
		st.room = r
	}
	if m := st.member.Load(); m != nil {
		if m.UserID == p.UserID {
			return m.Rejoin(ctx, st, p, a)
		}
		st.detach(m, true)
		if err := m.Depart(ctx, &st.executor, store.ReasonLeave); err != nil {
			return err
		}
	} else if p.Resume != "" {
		if st.sock.isClosed() {
			return nil // a closed socket must not take the member from a newer one
		}
		done, err := st.room.Resume(ctx, st, p.UnlessNew(), a)
		if done || err != nil {
			return err
		}
	}
	return st.create(ctx, p, a)
}

// connIDTries is how often a join tries to find a free connId. The first is the socket's own
// id, which another member may have by a resume; the others are random.
const connIDTries = 2

// create makes a new member.
func (st *session) create(ctx context.Context, p *wire.Join, a rooms.Acker) error {
	s := st.sock
	for range connIDTries {
		connID, floor := st.pickConnID()
		m := st.room.NewMember(p, connID, floor)
		if connID == s.conn.ID() {
			m.IDSocket = s
		}
		if err := m.Create(ctx, st, p, a); !errors.Is(err, owned.ErrConnIDTaken) {
			return err
		}
		s.IDTaken()
	}
	return owned.ErrConnIDTaken
}

// pickConnID is the socket's id, unless a member that was once this socket's
// lives on under it, or did. A member with that id begins above the floor.
func (st *session) pickConnID() (connID string, floor int64) {
	s := st.sock
	connID = s.conn.ID()
	s.mu.Lock()
	taken, floor := s.idTaken, s.minEpoch
	s.mu.Unlock()
	if taken || st.room.Has(connID) {
		connID = core.RandomID(15)
	}
	return connID, floor
}
