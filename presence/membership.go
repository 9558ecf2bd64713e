package presence

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// membership is a member that this node owns. What a lane writes is touched by
// that lane alone: its seat's while it has one, its grace's after that.
type membership struct {
	room           *room
	connID, userID string
	namesake       *socket // whose id the connId is, if it is of this node
	// owner is the node id under which it stands in the store, life the name of its life and
	// newer what a node of a later version wrote of it. Only its lane changes them, with the
	// room's lock held.
	owner, life, newer string

	// epoch is the one that stands in the store, clientEpoch the one that the
	// client must send: a restore raises only the first.
	epoch, clientEpoch atomic.Int64
	write              atomic.Int64 // number of the last one that counts
	joinedMs           atomic.Int64 // 0 until the store has answered the join

	// Of the lane.
	state   []byte
	graceMs int64
	token   string // "" when the node only ever saw the digest
	digest  store.Digest
	away    atomic.Bool  // it is stored as away, although it may have a socket
	doubtMs atomic.Int64 // until when a restore without an answer may still take effect

	// Guarded by room.mu.
	seat  *seat  // nil in grace and when gone
	grace *grace // nil while it has a socket
	place int    // in room.audience; -1: does not hear the room
	// leaving: this node is removing it and cleans up behind itself.
	leaving bool
	// cutEpoch is that of which a kick on its way shall disconnect the socket, too.
	cutEpoch int64
	// restoring: a step that restores it, or asks whether to, is under way.
	// removed: somebody removed it. lost: whether the store lost it, by what its
	// room shows.
	restoring, removed bool
	lost               reset
}

// record is the member as it shall stand, without a grace that runs.
func (m *membership) record() store.Member {
	return store.Member{
		ConnID: m.connID, UserID: m.userID, Owner: m.owner,
		Epoch: m.epoch.Load(), Write: m.write.Load(),
		Life: m.life, JoinedMs: m.joinedMs.Load(), GraceMs: m.graceMs, Token: m.digest, State: m.state, Away: m.away.Load(),
		Newer: m.newer,
	}
}

func (m *membership) entry() store.Entry {
	return store.Entry{Node: m.owner, Room: m.room.id, ConnID: m.connID, UserID: m.userID, Epoch: m.epoch.Load(), Life: m.life}
}

func (m *membership) conn() store.Conn {
	seen := m.room.eng.storeNow()
	return store.Conn{ConnID: m.connID, UserID: m.userID, Room: m.room.id, Node: m.owner, Epoch: m.epoch.Load(), SeenMs: seen}
}

// put sends a write of a member that this node owns, of which it fills in the
// room, and makes an outcome that should not be an error.
func (e *engine) put(ctx context.Context, p *store.Put, r *room) (store.PutResult, error) {
	e.complete(ctx, p, r)
	res, err := e.store.Put(ctx, *p)
	return res, expired(res.Outcome, err)
}

// startPut is a put whose room is filled in. It does not block; the waiter is
// told when it is done, and has to look whether it expired. The caller holds a
// place among the workers.
func (e *engine) startPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	if e.starter != nil {
		e.starter.StartPut(ctx, p, w)
		return
	}
	e.workers.Go(func() { w.PutDone(e.store.Put(ctx, *p)) })
}

// expired makes an outcome that should not be an error.
func expired(found store.Outcome, err error) error {
	if err == nil && found == store.Expired {
		return fmt.Errorf("write expired on its way: %w", store.ErrUnavailable)
	}
	return err
}

// complete fills in what a write has of its room.
func (e *engine) complete(ctx context.Context, p *store.Put, r *room) {
	p.Room, p.From, p.ExpiresMs = r.id, r.position(), e.expiry(ctx)
}

// own makes the membership this node's. The room's lock is held.
func (r *room) own(m *membership) {
	r.owned[m.connID] = m
	for _, a := range r.arrivals {
		if a.connID == m.connID && a.epoch <= m.epoch.Load() {
			a.owned = true
		}
	}
}

// disown forgets it, wherever it was remembered. The room's lock is held.
func (r *room) disown(m *membership) {
	if r.owned[m.connID] == m {
		delete(r.owned, m.connID)
	}
	if shown := r.members[m.connID]; shown != nil && shown.unsure {
		r.refetch() // nobody else says that it is gone
	}
	r.silence(m)
	if m.grace != nil {
		m.grace.stop()
		m.grace = nil
	}
	if s := m.namesake; s != nil { // what it joins next is another life
		s.mu.Lock()
		s.floor = max(s.floor, m.epoch.Load())
		s.mu.Unlock()
	}
}

// listen lets the membership's socket hear the room. The room's lock is held.
func (r *room) listen(m *membership) {
	if m.place < 0 {
		m.place = len(r.audience)
		r.audience = append(r.audience, m)
	}
}

// silence ends that. The room's lock is held.
func (r *room) silence(m *membership) {
	if m.place < 0 {
		return
	}
	last := len(r.audience) - 1
	r.audience[m.place] = r.audience[last]
	r.audience[m.place].place = m.place
	r.audience[last] = nil
	r.audience = r.audience[:last]
	m.place = -1
}

// removal says why a membership is not this node's any more.
type removal byte

const (
	evictRemoved  removal = iota // it left the room by somebody else's hand
	evictMoved                   // another node has it
	evictReplaced                // another socket of this node has it
)

// evict takes a membership away from its socket by somebody else's doing. The
// room's lock is held.
func (r *room) evict(m *membership, why removal, reason Reason) {
	e, entry, s, g, leaving := r.eng, m.entry(), m.seat, m.grace, m.leaving
	cut := m.cutEpoch == m.epoch.Load() && why == evictRemoved && reason == ReasonKicked
	r.disown(m)
	m.seat = nil
	if m.namesake != nil && why != evictRemoved {
		m.namesake.mu.Lock()
		m.namesake.idTaken = true
		m.namesake.mu.Unlock()
	}
	cleanUp := func(l *lane) {
		switch {
		case leaving || why == evictReplaced:
		case why == evictMoved:
			e.cleanUp(l, func(ctx context.Context) error { return r.unregister(ctx, entry) })
		case m.doubtMs.Load() > 0:
			e.unsettle(l, e.patient(0, func(ctx context.Context) error { return e.remove(ctx, m, ReasonDisconnect) }))
		default:
			e.cleanUp(l, m.unregister) // what left may be an older life of it
		}
	}
	switch {
	case s != nil:
		s.vacate(m, func() {
			s.leaveRoom(cut)
			cleanUp(&s.lane)
		})
	case g != nil:
		e.later(&g.lane, func() { cleanUp(&g.lane) })
	}
}

// isOwn reports whether a membership is still this node's.
func (r *room) isOwn(m *membership) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owned[m.connID] == m
}

// present is how a node has a member that it had before: index entries name no
// socket, so what is written about the one before may be about this one.
type present byte

const (
	absent   present = iota // not here
	asBefore                // here again, or about to be, as the same user
	asOther                 // here as another user
)

func (r *room) isHere(connID string) bool {
	now, _ := r.presence(store.Entry{ConnID: connID})
	return now != absent
}

func (r *room) presence(entry store.Entry) (present, *membership) {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.owned[entry.ConnID]
	if own != nil && own.leaving {
		own = nil // on its way out, though the event that says so is not here yet
	}
	switch {
	case own != nil && own.userID != entry.UserID:
		return asOther, own
	case own != nil:
		return asBefore, own
	case slices.ContainsFunc(r.arrivals, func(a *arrival) bool { return a.connID == entry.ConnID && !a.owned }):
		return asBefore, nil
	}
	return absent, nil
}

// eraseEntry removes what else there is of a member that left its room.
func (r *room) eraseEntry(ctx context.Context, entry store.Entry) error {
	now, _ := r.presence(entry)
	if now == absent {
		if err := r.eng.connLeave(ctx, entry); err != nil {
			return err
		}
	}
	return r.unregister(ctx, entry)
}

// unregister removes the index entries of a user that a member does not belong to
// any more.
func (r *room) unregister(ctx context.Context, entry store.Entry) error {
	if now, _ := r.presence(entry); now == asBefore {
		return nil
	}
	return r.eng.unregister(ctx, entry)
}

// cleanUp runs a step that must happen sometime; it goes on in the background
// when the store does not answer. Called by operations of the lane only.
func (e *engine) cleanUp(l *lane, step func(context.Context) error) {
	ctx, cancel := e.bounded()
	defer cancel()
	step = e.patient(0, step)
	if len(l.unsettled) > 0 || step(ctx) != nil {
		e.unsettle(l, step)
	}
}

// depart removes a membership from its room and the indexes. If the store does
// not answer it is remembered and done later. Called by operations of the lane only.
func (e *engine) depart(ctx context.Context, l *lane, m *membership, reason Reason) error {
	step := e.patient(0, func(ctx context.Context) error { return e.remove(ctx, m, reason) })
	m.room.mu.Lock()
	m.leaving = true
	m.room.mu.Unlock()
	err := l.settle(ctx)
	if err == nil {
		err = step(ctx)
	}
	if err != nil {
		e.unsettle(l, step)
	}
	return err
}

// remove is one try to take a member out of its room, and then out of the
// indexes. It may be repeated.
func (e *engine) remove(ctx context.Context, m *membership, reason Reason) error {
	r := m.room
	if e.storeNow() <= m.doubtMs.Load() { // a restore would bring it back
		return fmt.Errorf("leave: too early behind a restore in doubt: %w", store.ErrUnavailable)
	}
	q := store.Remove{
		Room: r.id, ConnID: m.connID, Epoch: m.epoch.Load(), Owner: m.owner, Reason: reason,
		From: r.position(), ExpiresMs: e.expiry(ctx),
	}
	res, err := e.store.Remove(ctx, q)
	if err == nil && res.Outcome == store.Fenced {
		res, err = e.removeOther(ctx, &q, m.joinedMs.Load())
	}
	if err != nil {
		return err
	}
	if res.Outcome == store.Expired {
		return fmt.Errorf("leave expired on its way: %w", store.ErrUnavailable)
	}
	if epoch := m.epoch.Load(); q.Epoch < epoch {
		q.Epoch, q.Owner = epoch, m.owner
	}
	m.epoch.Store(q.Epoch) // what comes after is above it

	if res.Outcome == store.Fenced { // another one's by now; only the index entry here was ours
		r.letGo(m, nil, reason)
		return r.unregister(ctx, m.entry())
	}
	left := store.Member{ConnID: m.connID, UserID: m.userID, Epoch: q.Epoch, Owner: q.Owner, JoinedMs: m.joinedMs.Load()}
	e.departed.add(e.newDeparture(r.id, &left, reason), e.clock.Now()) // Missing: a try before this one may have done it
	r.letGo(m, &left, reason)
	return r.eraseEntry(ctx, m.entry())
}

// removeOther removes what a fenced leave met if that is the same life of the
// member: an older one, when the store lost the last writes, or the one that a
// claimant took over when this node was taken for dead, or another node restored
// that did not know where it was. q is then what it removed.
func (e *engine) removeOther(ctx context.Context, q *store.Remove, joinedMs int64) (store.RemoveResult, error) {
	fenced := store.RemoveResult{Outcome: store.Fenced}
	found, err := e.store.LoadMembers(ctx, q.Room, []string{q.ConnID})
	if err != nil || len(found.Members) == 0 {
		return fenced, err
	}
	m := &found.Members[0]
	adopted := m.Epoch == q.Epoch+1 && m.UntilMs > 0 && m.Lost == ReasonNodeLost
	restored := m.Epoch == q.Epoch && m.UntilMs > 0 && m.JoinedMs == joinedMs
	if m.Epoch >= q.Epoch && !adopted && !restored {
		return fenced, nil
	}
	q.Epoch, q.Owner = m.Epoch, m.Owner
	return e.store.Remove(ctx, *q)
}

// letGo forgets a member that left; nil for left is one that lives on elsewhere.
// A socket that still hears the room, since it did not ask to leave, is let go by
// the event, so that it hears that too.
func (r *room) letGo(m *membership, left *store.Member, reason Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if left != nil {
		r.noteLeft(left, reason, r.eng.clock.Now())
	}
	if m.seat == nil {
		r.disown(m)
		return
	}
	r.eng.clock.AfterFunc(missingAfter, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.owned[m.connID] == m {
			r.evict(m, evictRemoved, "")
		}
	})
}
