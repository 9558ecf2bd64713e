package presence

import (
	"context"
	"errors"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// authorizer decides whether a socket may join; nil: everybody may.
type authorizer func(ctx context.Context, r JoinRequest) error

// join handles presence:join. It does not block.
func (s *socket) join(payload []byte, allow authorizer, a answerer) {
	e := s.eng
	p, err := parseJoin(payload, e.limits)
	if err == nil && e.draining.Load() {
		err = errShuttingDown
	}
	if err != nil {
		a.answer(appendRefusal(nil, e.refusal(err, "join")))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	st := s.seatOf(p.roomID)
	if rooms, _ := s.wantedSeats(); rooms >= e.limits.rooms && (st == nil || !st.wanted) {
		a.answer(appendRefusal(nil, tooManyRooms(e.limits.rooms)))
		return
	}
	if st == nil && len(s.seats) >= 2*e.limits.rooms { // those it left are not gone yet
		a.answer(appendRefusal(nil, errTooManyWaiting))
		return
	}
	st = s.seatFor(p.roomID)
	if st.post(a, len(payload), func(deadline time.Time) { st.runJoin(deadline, &p, allow, a) }) {
		st.wanted = true
		st.joins++
		st.joining++
	}
}

// runJoin is the lane's half of a join.
func (st *seat) runJoin(deadline time.Time, p *joinPayload, allow authorizer, a answerer) {
	e := st.sock.eng
	ctx, cancel := e.until(deadline)
	defer cancel()
	accepted := a
	if st.sender = p.sender; p.sender {
		accepted = st.sock.peer.expectSender(a)
	}
	err := st.tryJoin(ctx, p, allow, accepted)
	if err != nil {
		a.answer(appendRefusal(nil, e.refusal(err, "join")))
	}
	st.joinDone()
}

// tryJoin does what a join asks for and answers it, or says why not.
func (st *seat) tryJoin(ctx context.Context, p *joinPayload, allow authorizer, a answerer) error {
	if st.sock.eng.draining.Load() {
		return errShuttingDown
	}
	if st.sock.gone() {
		return nil
	}
	if allow != nil {
		r := JoinRequest{RoomID: p.roomID, UserID: p.userID, State: p.state, Resume: p.resume != ""}
		if err := allow(ctx, r); err != nil || st.sock.gone() {
			return err
		}
	}
	if err := st.settle(ctx); err != nil {
		return err
	}
	if err := st.sock.eng.mender.admits(st.roomID); err != nil {
		return err
	}
	if st.room == nil {
		r, err := st.sock.eng.acquire(ctx, st.roomID)
		if err != nil {
			return err
		}
		st.room = r
	}
	if m := st.member.Load(); m != nil {
		if m.userID == p.userID {
			return st.rejoin(ctx, m, p, a)
		}
		st.detach(m, true)
		if err := st.sock.eng.depart(ctx, &st.lane, m, ReasonLeave); err != nil {
			return err
		}
	} else if p.resume != "" {
		if st.sock.isClosed() {
			return nil // it must not take from a newer socket what it cannot use
		}
		done, err := st.resume(ctx, p.unlessNew(), a)
		if done || err != nil {
			return err
		}
	}
	return st.enter(ctx, p, a)
}

// enterTries is how often a join looks for a connId that nobody has. The first
// is the socket's own, which somebody else may have by a resume; the others are
// random.
const enterTries = 2

// enter makes a new member.
func (st *seat) enter(ctx context.Context, p *joinPayload, a answerer) error {
	for range enterTries {
		if err := st.tryEnter(ctx, p, a); !errors.Is(err, errTaken) {
			return err
		}
		st.sock.mu.Lock()
		st.sock.idTaken = true
		st.sock.mu.Unlock()
	}
	return errTaken
}

// errTaken says that a member of the connId stands that is not this socket's.
var errTaken = errors.New("join: the connId is taken")

func (st *seat) tryEnter(ctx context.Context, p *joinPayload, a answerer) error {
	e, r := st.sock.eng, st.room
	m := &membership{
		room: r, owner: e.self(), life: newLife(), connID: st.freeConnID(), userID: p.userID, state: p.state, place: -1,
	}
	m.write.Store(1)
	if m.connID == st.sock.peer.id() {
		m.namesake = st.sock
	}
	m.setGrace(p.grace.value)
	if m.state == nil {
		m.state = emptyState
	}
	m.epoch.Store(st.epochAbove(m.connID) + 1)
	m.clientEpoch.Store(m.epoch.Load())
	waiting := r.expect(m)
	defer r.unexpect(waiting)

	res, err := e.enterStore(ctx, m)
	if err == nil {
		m.joinedMs.Store(res.Member.JoinedMs)
		err = waiting.wait(ctx, r)
	}
	if err == nil {
		refused := st.welcome(m, a, waiting, false)
		if refused == nil {
			return nil
		}
		r.mu.Lock()
		r.disown(m)
		r.mu.Unlock()
		e.unsettle(&st.lane, e.patient(0, func(ctx context.Context) error {
			if err := e.remove(ctx, m, ReasonLeave); err != nil {
				return err
			}
			return m.unregister(ctx)
		}))
		return refused
	}
	r.mu.Lock()
	r.disown(m)
	r.mu.Unlock()
	if errors.Is(err, errTaken) { // nothing was written but the index
		e.unsettle(&st.lane, e.patient(0, m.unregister))
		return err
	}
	st.undo(ctx, m)
	return err
}

var emptyState = []byte("{}")

// epochAbove is the highest epoch that a connId had, as far as is known.
func (st *seat) epochAbove(connID string) int64 {
	st.sock.mu.Lock()
	floor := st.sock.floor
	st.sock.mu.Unlock()
	return max(floor, st.room.epochOf(connID))
}

// freeConnID is the socket's id, unless a member that was once this socket's
// lives on under it, or did.
func (st *seat) freeConnID() string {
	s, r := st.sock, st.room
	id := s.peer.id()
	s.mu.Lock()
	taken := s.idTaken
	s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	stands := r.members[id] // one of this node's own just left
	if taken || r.owned[id] != nil || stands != nil && stands.Owner != s.eng.self() {
		return randomID(15)
	}
	return id
}

// setGrace takes a join's grace: with one the member can be resumed with its
// token, which stays the same for its whole life.
func (m *membership) setGrace(graceMs int64) {
	m.graceMs = graceMs
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
func (e *engine) enterStore(ctx context.Context, m *membership) (store.PutResult, error) {
	p := store.Put{Intent: store.IntentJoin, Member: m.record()}
	e.complete(ctx, &p, m.room)
	res, err := e.store.Enter(ctx, p, e.storeNow())
	if err == nil && res.Outcome != store.Applied && res.Outcome != store.Repeated {
		err = errTaken
	}
	return res, err
}

// undo takes back a join that was refused although it may have taken effect,
// or still may: it waits until the join cannot any more.
func (st *seat) undo(ctx context.Context, m *membership) {
	e := st.sock.eng
	st.sock.mu.Lock()
	st.sock.floor = max(st.sock.floor, m.epoch.Load())
	st.sock.mu.Unlock()
	e.unsettle(&st.lane, e.patient(e.expiry(ctx), func(ctx context.Context) error { return e.remove(ctx, m, ReasonLeave) }))
}

// rejoin replaces the state of a member by another join.
func (st *seat) rejoin(ctx context.Context, m *membership, p *joinPayload, a answerer) error {
	e, r := st.sock.eng, st.room
	before := m.record()
	next := before
	next.Epoch++
	next.Write++
	next.Away = false
	if !p.keepState {
		next.State = p.state
	}
	if next.State == nil {
		next.State = emptyState
	}
	m.setGrace(p.grace.value)
	next.GraceMs, next.Token = m.graceMs, m.digest
	waiting := r.await(m, next.Epoch)
	defer r.unexpect(waiting)

	put := store.Put{Intent: store.IntentJoin, Member: next, Fence: before.Epoch}
	res, err := e.put(ctx, &put, r)
	if err == nil && (res.Outcome == store.Fenced || res.Outcome == store.Missing) {
		m.setGrace(before.GraceMs) // which it is restored with, and keeps if that fails
		restored, err := st.explain(ctx, m, res.Outcome)
		if err != nil || !restored {
			return err
		}
		return st.rejoin(ctx, m, p, a)
	}
	if err == nil {
		m.epoch.Store(next.Epoch)
		m.state = next.State
		m.away.Store(false)
		m.write.Store(next.Write)
		err = e.register(ctx, m.entry())
	}
	if err == nil {
		err = e.connJoin(ctx, m.conn())
	}
	if err == nil {
		err = waiting.wait(ctx, r)
	}
	epoch := m.clientEpoch.Load()
	if err == nil {
		m.clientEpoch.Store(next.Epoch)
		err = st.welcome(m, a, waiting, false)
	}
	if err != nil && !errors.Is(err, errRemoved) {
		m.clientEpoch.Store(epoch)
		m.setGrace(before.GraceMs)
		m.state = before.State // also for a restore that comes in between
		st.unsettleRejoin(ctx, m, put, before)
	}
	return err
}

// unsettleRejoin finds out later, when it cannot any more, whether a refused
// join of a member took effect, and if so puts everything but the epoch back as
// it was before.
func (st *seat) unsettleRejoin(ctx context.Context, m *membership, put store.Put, before store.Member) {
	e, r := st.sock.eng, st.room
	e.unsettle(&st.lane, e.patient(e.expiry(ctx), func(ctx context.Context) error {
		if !r.isOwn(m) {
			return nil // another socket has it
		}
		found, err := e.store.LoadMembers(ctx, r.id, []string{m.connID})
		if err != nil {
			return err
		}
		if len(found.Members) == 0 {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.owned[m.connID] == m && m.seat != nil {
				r.question(m)
			}
			return nil
		}
		stands := found.Members[0]
		if stands.Epoch != put.Member.Epoch || stands.Owner != put.Member.Owner {
			return nil // it did not, or somebody took the member over
		}
		back := before
		back.Epoch, back.Write = stands.Epoch, stands.Write+1
		m.epoch.Store(back.Epoch)
		_, err = e.put(ctx, &store.Put{Intent: store.IntentUpdate, Member: back, Fence: back.Epoch}, r)
		if err == nil {
			m.wrote(store.Applied, &back)
		}
		return err
	}))
}

// lost is the answer to a request of a member that the store does not have as
// this node's any more; the event that says so is on its way or was missed.
func (st *seat) lost(m *membership, found store.Outcome) error {
	r := m.room
	r.mu.Lock()
	if found == store.Missing {
		r.evict(m, evictRemoved, "")
	} else {
		r.evict(m, evictMoved, "")
	}
	r.mu.Unlock()
	return notJoined(r.id)
}

// welcome answers a join with the room as it stands then and lets the socket hear it
// from there on. It fails when the member is not this node's any more, or when its
// turn for a large snapshot does not come.
func (st *seat) welcome(m *membership, a answerer, came *arrival, resumed bool) error {
	return st.room.answer(&asker{sock: st.sock, mute: !a.wanted(), give: func(snap *snapshot) error {
		return st.seatMember(m, a, snap, came, resumed)
	}})
}

// seatMember gives the member to the socket and answers, if there is a snapshot to
// answer with. The room's lock is held.
func (st *seat) seatMember(m *membership, a answerer, snap *snapshot, came *arrival, resumed bool) error {
	r, s := st.room, st.sock
	stands := r.members[m.connID]
	if r.owned[m.connID] != m || stands == nil {
		return errRemoved
	}
	if string(stands.State) == string(m.state) {
		stands.State = m.state // one copy
	}
	heard, before, seatBefore := m.place >= 0, st.member.Load(), m.seat
	s.peer.enter(s.eng.roomName(st.roomID))
	st.setMember(m)
	m.seat = st
	ack := joinAck{
		connID: m.connID, epoch: m.clientEpoch.Load(), graceMs: m.graceMs, token: m.token, resumed: resumed,
		sender: st.sender,
	}
	if snap != nil && !r.answerJoin(a, ack, snap) {
		st.setMember(before)
		m.seat = seatBefore
		if before == nil {
			s.peer.exit(s.eng.roomName(st.roomID))
		}
		return errLater
	}
	if m.lost != noReset { // meanwhile
		r.question(m)
	}
	if snap == nil {
		if a.wanted() { // its socket is gone
			return nil
		}
		a.answer(nil)
	}
	r.listen(m)
	if !heard && !resumed && came.event != nil && came.seq == r.at() {
		s.peer.deliver(came.event)
	}
	return nil
}

func (st *seat) setMember(m *membership) {
	st.sock.mu.Lock()
	defer st.sock.mu.Unlock()
	st.member.Store(m)
}
