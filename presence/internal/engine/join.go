package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	if rooms, _ := s.wantedSessions(); rooms >= e.Limits.Rooms && (st == nil || !st.wantsRoom) {
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
	if st.sender = p.Sender; p.Sender {
		accepted = st.sock.conn.ExpectSender(a)
	}
	err := st.tryJoin(ctx, p, allow, accepted)
	if err != nil {
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
		r, err := st.sock.eng.acquire(ctx, st.roomID())
		if err != nil {
			return err
		}
		st.room = r
	}
	if m := st.member.Load(); m != nil {
		if m.userID == p.UserID {
			return st.rejoin(ctx, m, p, a)
		}
		st.detach(m, true)
		if err := m.depart(ctx, &st.executor, store.ReasonLeave); err != nil {
			return err
		}
	} else if p.Resume != "" {
		if st.sock.isClosed() {
			return nil // a closed socket must not take the member from a newer one
		}
		done, err := st.resume(ctx, p.UnlessNew(), a)
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
	for range connIDTries {
		if err := st.createMember(ctx, p, a); !errors.Is(err, errConnIDTaken) {
			return err
		}
		st.sock.mu.Lock()
		st.sock.idTaken = true
		st.sock.mu.Unlock()
	}
	return errConnIDTaken
}

// errConnIDTaken says that another member has this connId.
var errConnIDTaken = errors.New("join: the connId is taken")

func (st *roomSession) createMember(ctx context.Context, p *wire.Join, a Acker) error {
	e, r := st.sock.eng, st.room
	m := &ownedMember{
		room: r, owner: e.self(), life: newLife(), connID: st.pickConnID(), userID: p.UserID, state: p.State, listenerIndex: -1,
	}
	m.write.Store(1)
	if m.connID == st.sock.conn.ID() {
		m.idSocket = st.sock
	}
	m.setGrace(p.GraceMs.Value)
	if m.state == nil {
		m.state = emptyState
	}
	st.sock.mu.Lock()
	m.epoch.Store(st.sock.minEpoch + 1)
	st.sock.mu.Unlock()
	m.clientEpoch.Store(m.epoch.Load())
	r.mu.Lock()
	r.owned[m.connID] = m // so that nothing that happens to it is overlooked
	r.mu.Unlock()
	waiting := r.addWaiter(m, m.epoch.Load(), 0)
	defer r.removeWaiter(waiting)

	res, err := e.enterStore(ctx, m)
	if err == nil {
		m.joinedMs.Store(res.Member.JoinedMs)
		err = waiting.wait(ctx, r)
	}
	if err == nil {
		refused := st.ackJoin(m, a, waiting, false)
		if refused == nil {
			return nil
		}
		m.letGo()
		e.markInDoubt(&st.executor, m.removing(store.ReasonLeave))
		return refused
	}
	m.letGo()
	if !errors.Is(err, errConnIDTaken) {
		st.rollBackJoin(ctx, m)
	}
	return err
}

var emptyState = []byte("{}")

// pickConnID is the socket's id, unless a member that was once this socket's
// lives on under it, or did.
func (st *roomSession) pickConnID() string {
	s, r := st.sock, st.room
	id := s.conn.ID()
	s.mu.Lock()
	taken := s.idTaken
	s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	stands := r.rep.Member(id) // one of this node's own just left
	if taken || r.owned[id] != nil || stands != nil && stands.Owner != s.eng.self() {
		return randomID(15)
	}
	return id
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

// enterStore writes a new member, the indexes and the connection.
func (e *Engine) enterStore(ctx context.Context, m *ownedMember) (store.PutResult, error) {
	lacks, since, err := e.index.Lacks(ctx, m.room.id, m.owner)
	if err != nil {
		return store.PutResult{}, err
	}
	q := store.EnterRequest{
		Put: store.Put{Intent: store.IntentJoin, Member: m.record()}, SeenMs: e.storeNow(), AddRoom: lacks,
	}
	e.fillRoom(ctx, &q.Put, m.room)
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
func (st *roomSession) rollBackJoin(ctx context.Context, m *ownedMember) {
	e := st.sock.eng
	e.markInDoubt(&st.executor, e.after(e.expiry(ctx), m.removing(store.ReasonLeave)))
}

// rejoin replaces the state of a member by another join.
func (st *roomSession) rejoin(ctx context.Context, m *ownedMember, p *wire.Join, a Acker) error {
	e, r := st.sock.eng, st.room
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
	waiting := r.addWaiter(m, next.Epoch, 0)
	defer r.removeWaiter(waiting)

	put := store.Put{Intent: store.IntentJoin, Member: next, Fence: before.Epoch}
	res, err := e.put(ctx, &put, r)
	if err == nil && (res.Outcome == store.Fenced || res.Outcome == store.Missing) {
		m.setGrace(before.GraceMs) // which it is restored with, and keeps if that fails
		if err := st.resolveMismatch(ctx, m); err != nil {
			return err
		}
		return st.rejoin(ctx, m, p, a)
	}
	if err == nil {
		m.epoch.Store(next.Epoch)
		m.state = next.State
		m.away.Store(false)
		m.write.Store(next.Write)
		err = e.connJoin(ctx, m.conn())
	}
	if err == nil {
		err = waiting.wait(ctx, r)
	}
	epoch := m.clientEpoch.Load()
	if err == nil {
		m.clientEpoch.Store(next.Epoch)
		err = st.ackJoin(m, a, waiting, false)
	}
	if err != nil && r.isOwn(m) { // also one that was removed, and is about to be restored
		m.clientEpoch.Store(epoch)
		m.setGrace(before.GraceMs)
		m.state = before.State // also for a restore that comes in between
		st.rollBackRejoin(ctx, m, put, before)
	}
	return err
}

// rollBackRejoin finds out later, when it cannot any more, whether a refused
// join of a member took effect, and if so puts everything but the epoch back as
// it was before.
func (st *roomSession) rollBackRejoin(ctx context.Context, m *ownedMember, put store.Put, before store.Member) {
	e, r := st.sock.eng, st.room
	e.markInDoubt(&st.executor, e.after(e.expiry(ctx), func(ctx context.Context) error {
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
		_, err = e.put(ctx, &store.Put{Intent: store.IntentUpdate, Member: back, Fence: back.Epoch}, r)
		if err == nil {
			m.applied(store.Applied, &back)
		}
		return err
	}))
}

// ackJoin acknowledges a join with the room as it is at that moment; from then on the
// socket hears the room's events. It fails when this node does not own the member any more,
// or when a large snapshot does not get its turn in time.
func (st *roomSession) ackJoin(m *ownedMember, a Acker, came *waiter, resumed bool) error {
	return st.room.answer(&snapshotWaiter{sock: st.sock, noReply: !a.Wanted(), reply: func(snap *snapshot) error {
		return st.attach(m, a, snap, came, resumed)
	}})
}

// attach gives the member to the socket and answers, if there is a snapshot to
// answer with. The room's lock is held.
func (st *roomSession) attach(m *ownedMember, a Acker, snap *snapshot, came *waiter, resumed bool) error {
	r, s := st.room, st.sock
	stands := r.rep.Member(m.connID)
	if r.owned[m.connID] != m || stands == nil {
		return wire.ErrRemoved
	}
	if string(stands.State) == string(m.state) {
		stands.State = m.state // one copy
	}
	heard, before, seatBefore := m.listenerIndex >= 0, st.member.Load(), m.session
	s.conn.Enter(s.eng.RoomName(st.roomID()))
	st.setMember(m)
	m.session = st
	ack := wire.JoinAck{
		ConnID: m.connID, Epoch: m.clientEpoch.Load(), GraceMs: m.graceMs, Token: m.token, Resumed: resumed,
		Sender: st.sender,
	}
	if snap != nil && !r.answerJoin(a, &ack, snap) {
		st.setMember(before)
		m.session = seatBefore
		if before == nil {
			s.conn.Exit(s.eng.RoomName(st.roomID()))
		}
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
	r.addListener(m)
	if !heard && !resumed && came.event != nil && came.seq == r.rep.Seq() {
		s.conn.Deliver(came.event)
	}
	return nil
}

func (st *roomSession) setMember(m *ownedMember) {
	st.sock.mu.Lock()
	defer st.sock.mu.Unlock()
	st.member.Store(m)
}
