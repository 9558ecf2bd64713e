package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Authorizer decides whether a socket may join; nil: everybody may.
type Authorizer func(ctx context.Context, r wire.JoinRequest) error

// Join handles presence:join. It does not block.
func (s *Socket) Join(payload []byte, allow Authorizer, a Acker) {
	e := s.eng
	p, err := wire.ParseJoin(payload, e.Limits)
	if err == nil && e.draining.Load() {
		err = wire.ErrShuttingDown
	}
	if err != nil {
		e.Refuse(a, err, "join")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	st := s.session(p.RoomID)
	if wanted, _ := s.wantedSessions(); wanted >= e.Limits.Rooms && (st == nil || !st.wantsRoom) {
		a.Answer(wire.AppendRefusal(nil, wire.TooManyRooms(e.Limits.Rooms)))
		return
	}
	if st == nil && len(s.sessions) >= 2*e.Limits.Rooms { // those it left are not gone yet
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
func (st *roomSession) runJoin(deadline time.Time, p *wire.Join, allow Authorizer, a Acker) {
	e := st.sock.eng
	ctx, cancel := e.deadlines.Until(deadline)
	defer cancel()
	accepted := a
	if p.Sender {
		accepted = st.sock.conn.ExpectSender(a)
	}
	if err := st.tryJoin(ctx, p, allow, accepted); err != nil {
		st.logLateAnswer(err)
		e.Refuse(a, err, "join")
	}
	st.joinDone()
}

// tryJoin does what a join asks for and answers it, or says why not.
func (st *roomSession) tryJoin(ctx context.Context, p *wire.Join, allow Authorizer, a Acker) error {
	if st.sock.eng.draining.Load() {
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
	if err := st.sock.eng.retries.Admit(st.roomID()); err != nil {
		return fmt.Errorf("join: %w: %w", store.ErrUnavailable, err)
	}
	if st.room == nil {
		r, err := st.sock.eng.owned.acquire(ctx, st.roomID())
		if err != nil {
			return err
		}
		st.room = r
	}
	if m := st.member.Load(); m != nil {
		if m.userID == p.UserID {
			return m.rejoin(ctx, st, p, a)
		}
		st.detach(m, true)
		if err := m.depart(ctx, &st.executor, store.ReasonLeave); err != nil {
			return err
		}
	} else if p.Resume != "" {
		if st.sock.isClosed() {
			return nil // a closed socket must not take the member from a newer one
		}
		done, err := st.room.resume(ctx, st, p.UnlessNew(), a)
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
func (st *roomSession) create(ctx context.Context, p *wire.Join, a Acker) error {
	s := st.sock
	for range connIDTries {
		connID, floor := st.pickConnID()
		m := st.room.newMember(p, connID, floor)
		if connID == s.conn.ID() {
			m.idSocket = s
		}
		if err := m.create(ctx, st, p, a); !errors.Is(err, errConnIDTaken) {
			return err
		}
		s.IDTaken()
	}
	return errConnIDTaken
}

// errConnIDTaken says that another member has this connId.
var errConnIDTaken = errors.New("join: the connId is taken")

var emptyState = []byte("{}")

// newMember is the new member of a join, above the epoch floor.
func (r *ownRoom) newMember(p *wire.Join, connID string, floor int64) *ownedMember {
	m := r.makeMember(connID, p.UserID, newLife(), p.State)
	if m.state == nil {
		m.state = emptyState
	}
	m.write.Store(1)
	m.setGrace(p.GraceMs.Value)
	m.epoch.Store(floor + 1)
	m.clientEpoch.Store(m.epoch.Load())
	return m
}

// create writes a new member and gives it to the session, which is answered; else what may be
// of it is removed. An operation of the session's executor.
func (m *ownedMember) create(ctx context.Context, s Session, p *wire.Join, a Acker) error {
	r := m.room
	r.mu.Lock()
	r.owned[m.connID] = m // so that nothing that happens to it is overlooked
	r.mu.Unlock()
	waiting := m.await(m.epoch.Load(), 0)
	defer r.removeWaiter(waiting)
	res, err := m.enter(ctx)
	if err == nil {
		m.joinedMs.Store(res.Member.JoinedMs)
		err = waiting.wait(ctx, r.room)
	}
	if err == nil {
		refused := m.ackJoin(s, a, waiting, false, p.Sender)
		if refused == nil {
			return nil
		}
		m.letGo()
		r.all.markInDoubt(s.Executor(), m.removing(store.ReasonLeave))
		return refused
	}
	m.letGo()
	if !errors.Is(err, errConnIDTaken) {
		m.rollBackJoin(ctx, s.Executor())
	}
	return err
}

// pickConnID is the socket's id, unless a member that was once this socket's
// lives on under it, or did. A member with that id begins above the floor.
func (st *roomSession) pickConnID() (connID string, floor int64) {
	s := st.sock
	connID = s.conn.ID()
	s.mu.Lock()
	taken, floor := s.idTaken, s.minEpoch
	s.mu.Unlock()
	if taken || st.room.has(connID) {
		connID = randomID(15)
	}
	return connID, floor
}

// setGrace takes a join's grace: with one the member can be resumed with its
// token, which stays the same for its whole life.
func (m *ownedMember) setGrace(graceMs int64) {
	m.room.mu.Lock()
	m.graceMs = graceMs
	m.room.mu.Unlock()
	if graceMs == 0 {
		m.digest = store.Digest{}
		return
	}
	if m.token == "" {
		m.token = newToken(m.connID)
	}
	m.digest = digestOf(m.token)
}

// enter writes a new member, the indexes and the connection.
func (m *ownedMember) enter(ctx context.Context) (store.PutResult, error) {
	e := m.room.all
	lacks, since, err := e.index.Lacks(ctx, m.room.id, m.owner)
	if err != nil {
		return store.PutResult{}, err
	}
	q := store.EnterRequest{
		Put: store.Put{Intent: store.IntentJoin, Member: m.record()}, SeenMs: e.storeNow(), AddRoom: lacks,
	}
	m.room.fillPut(ctx, &q.Put)
	res, err := e.store.Enter(ctx, q)
	if err == nil && !res.Outcome.TookEffect() {
		err = errConnIDTaken
	}
	if err == nil && lacks {
		e.index.Added(m.room.id, m.owner, since)
	}
	return res, err
}

// rollBackJoin takes back a join that was refused although it may have taken effect,
// or still may: it waits until the join cannot any more.
func (m *ownedMember) rollBackJoin(ctx context.Context, l *serial.Executor) {
	e := m.room.all
	e.markInDoubt(l, e.after(e.expiry(ctx), m.removing(store.ReasonLeave)))
}

// rejoin replaces the state of a member by another join. An operation of the session's executor.
func (m *ownedMember) rejoin(ctx context.Context, s Session, p *wire.Join, a Acker) error {
	r := m.room
	before := m.record()
	next := before
	next.Epoch++
	next.Write++
	next.Away = false
	if !p.KeepState {
		next.State = p.State
	}
	if next.State == nil {
		next.State = emptyState
	}
	m.setGrace(p.GraceMs.Value)
	next.GraceMs, next.Token = m.graceMs, m.digest
	waiting := m.await(next.Epoch, 0)
	defer r.removeWaiter(waiting)

	put := store.Put{Intent: store.IntentJoin, Member: next, Fence: before.Epoch}
	res, err := r.put(ctx, &put)
	if err == nil && (res.Outcome == store.Fenced || res.Outcome == store.Missing) {
		m.setGrace(before.GraceMs) // which it is restored with, and keeps if that fails
		if err := m.resolveMismatch(ctx, s.Executor()); err != nil {
			return err
		}
		return m.rejoin(ctx, s, p, a)
	}
	if err == nil {
		m.epoch.Store(next.Epoch)
		m.state = next.State
		m.away.Store(false)
		m.write.Store(next.Write)
		err = r.all.connJoin(ctx, m.conn())
	}
	if err == nil {
		err = waiting.wait(ctx, r.room)
	}
	epoch := m.clientEpoch.Load()
	if err == nil {
		m.clientEpoch.Store(next.Epoch)
		err = m.ackJoin(s, a, waiting, false, p.Sender)
	}
	if err != nil && r.isOwn(m) { // also one that was removed, and is about to be restored
		m.clientEpoch.Store(epoch)
		m.setGrace(before.GraceMs)
		m.state = before.State // also for a restore that comes in between
		m.rollBackRejoin(ctx, s.Executor(), put, before)
	}
	return err
}

// rollBackRejoin finds out later, when it cannot any more, whether a refused
// join of a member took effect, and if so puts everything but the epoch back as
// it was before.
func (m *ownedMember) rollBackRejoin(ctx context.Context, l *serial.Executor, put store.Put, before store.Member) {
	e, r := m.room.all, m.room
	e.markInDoubt(l, e.after(e.expiry(ctx), func(ctx context.Context) error {
		if !r.isOwn(m) {
			return nil // another socket has it
		}
		stands, err := e.stored(ctx, r.id, m.connID)
		if err != nil {
			return err
		}
		if stands == nil || stands.Epoch != put.Member.Epoch || stands.Owner != put.Member.Owner {
			return nil // the join did not take effect, or the member was taken over or lost
		}
		back := before
		back.Epoch, back.Write = stands.Epoch, stands.Write+1
		m.epoch.Store(back.Epoch)
		_, err = r.put(ctx, &store.Put{Intent: store.IntentUpdate, Member: back, Fence: back.Epoch})
		if err == nil {
			m.applied(store.Applied, &back)
		}
		return err
	}))
}

// ackJoin acknowledges a join with the room as it is at that moment; from then on the
// socket hears the room's events. It fails when this node does not own the member any more,
// or when a large snapshot does not get its turn in time. sender says that the client asked
// for the senders of events.
func (m *ownedMember) ackJoin(s Session, a Acker, came *waiter, resumed, sender bool) error {
	return m.room.answer(&snapshotWaiter{to: s, noReply: !a.Wanted(), reply: func(snap *snapshot) error {
		return m.attach(s, a, snap, came, resumed, sender)
	}})
}

// attach gives the member to the session and answers, if there is a snapshot to
// answer with. The room's lock is held.
func (m *ownedMember) attach(s Session, a Acker, snap *snapshot, came *waiter, resumed, sender bool) error {
	r := m.room
	stands := r.rep.Member(m.connID)
	if r.owned[m.connID] != m || stands == nil {
		return wire.ErrRemoved
	}
	if string(stands.State) == string(m.state) {
		stands.State = m.state // one copy
	}
	heard, before, sessionBefore := m.listener.to != nil, s.Take(m), m.session
	m.session = s
	ack := wire.JoinAck{
		ConnID: m.connID, Epoch: m.clientEpoch.Load(), GraceMs: m.graceMs, Token: m.token, Resumed: resumed,
		Sender: sender,
	}
	if snap != nil && !r.answerJoin(a, &ack, snap) {
		s.PutBack(before)
		m.session = sessionBefore
		return errWait
	}
	m.checks.drop()
	r.postCheck(m) // that was due meanwhile
	if snap == nil {
		if a.Wanted() { // its socket is gone
			return nil
		}
		a.Answer(nil)
	}
	r.addListener(&m.listener, s)
	if !heard && !resumed && came.event != nil && came.seq == r.rep.Seq() {
		s.Deliver(came.event)
	}
	return nil
}
