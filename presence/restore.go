package presence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// reborn is what a node does when its life sign says that it was declared
// dead: it takes a new id, under which nothing was reaped, and restores the
// members that have a socket here. Those in grace are the claimant's.
func (e *engine) reborn(ctx context.Context) error {
	old := e.self()
	woke := e.clock.Now()
	e.woke.Store(&woke)
	e.rename()
	e.log.Warn("the other servers declared this one dead; restoring its members under a new node id", "was", old, "is", e.self())
	if err := e.beat(ctx); err != nil { // before any member stands under the new id
		return err
	}
	e.start(func() {
		if !e.sleep(catchUp) {
			return
		}
		for _, m := range e.memberships() {
			m.room.mu.Lock()
			m.room.restoreLive(m)
			m.room.mu.Unlock()
		}
	})
	return nil
}

// catchUp is how long a node that woke reads what lies unread before it restores
// members: clients that hung up meanwhile, events of those who moved elsewhere. On a
// busy machine half of it was seen to be too little.
const catchUp = time.Second

// catchesUp tells whether the node found itself declared dead so recently.
func (e *engine) catchesUp() bool {
	woke := e.woke.Load()
	return woke != nil && e.clock.Now().Sub(*woke) < catchUp
}

// restoreLive restores a member that somebody reaped although its socket is
// here. The room's lock is held.
func (r *room) restoreLive(m *membership) {
	r.mending(m, func(ctx context.Context, st *seat) error { return st.restore(ctx, m) })
}

// restoreOwn restores a member if its socket is here; it reports whether it is,
// or is about to be.
func (e *engine) restoreOwn(room, connID string) bool {
	e.mu.Lock()
	r := e.rooms[room]
	e.mu.Unlock()
	if r == nil {
		return false
	}
	if !r.isHere(connID) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.owned[connID]
	switch {
	case m == nil:
		return true // on its way in
	case m.leaving || m.grace != nil:
		return false
	}
	r.restoreLive(m) // nothing to do yet for one on its way in
	return true
}

// mending runs a step for a member that has a socket here, before any request
// that waits, until it succeeds. The room's lock is held.
func (r *room) mending(m *membership, do func(ctx context.Context, st *seat) error) {
	st := m.seat
	if st == nil || m.restoring || m.leaving || r.owned[m.connID] != m {
		return
	}
	m.restoring = true
	deadline := r.eng.clock.Now().Add(r.eng.storeTimeout) // or requests behind it would wait twice
	st.lane.postFirst(func() {
		ctx, cancel := r.eng.until(deadline)
		defer cancel()
		step := func(ctx context.Context) error {
			if st.sock.isClosed() {
				return nil // what comes of it is about to be seen to
			}
			return do(ctx, st)
		}
		if len(st.unsettled) > 0 || step(ctx) != nil {
			r.eng.unsettle(&st.lane, step)
		}
	}, r.eng.start)
}

// stateOf is how a node stands by the store.
func (e *engine) stateOf(ctx context.Context, node string) (store.NodeState, error) {
	states, err := e.store.NodeStates(ctx, []string{node})
	if err != nil {
		return store.NodeUnknown, err
	}
	return states[0], nil
}

// errNotAlive says that the node has to take a new id, and to catch up, before it
// restores.
var errNotAlive = fmt.Errorf("restore: this node was declared dead: %w", store.ErrUnavailable)

// leftElsewhere tells whether a member that is missing must have been resumed
// elsewhere, and have left there, while this node was taken for dead: those who
// reap it keep a resumable member for its grace.
func (m *membership) leftElsewhere() bool {
	e := m.room.eng
	lost := e.lostAt.Load()
	return m.owner != e.self() && e.silence.Load() < m.graceMs*int64(time.Millisecond) &&
		(lost == nil || e.clock.Now().Sub(*lost) > keepMissing)
}

// restoreTries is how often a restore follows a member that is written meanwhile.
const restoreTries = 4

// restore writes a member again as its owner knows it: acknowledged writes
// survive. The client's epoch stays; that in the store rises.
func (st *seat) restore(ctx context.Context, m *membership) error {
	e, r := st.sock.eng, m.room
	for range restoreTries {
		if st.member.Load() != m { // left, or resumed elsewhere
			return nil
		}
		if state, err := e.stateOf(ctx, e.self()); err != nil || state == store.NodeDead || e.catchesUp() {
			return errors.Join(err, errNotAlive)
		}
		found, err := e.store.LoadMembers(ctx, r.id, []string{m.connID})
		if err != nil {
			return err
		}
		if len(found.Members) == 0 && m.leftElsewhere() {
			m.isGone()
			return nil
		}
		var fence int64
		next := m.record()
		next.Owner = e.self()
		if len(found.Members) == 0 && m.owner != e.self() {
			next.Life = newLife() // the one before was reaped: others saw it leave
		}
		if len(found.Members) > 0 {
			stands := found.Members[0]
			if stands.Owner == m.owner && m.owner == e.self() && !m.newerThan(&member{Member: stands}) {
				m.restored() // it stands as it should
				return nil
			}
			if stands.Owner != m.owner && stands.UntilMs == 0 && stands.Epoch >= m.epoch.Load() {
				r.mu.Lock()
				r.evict(m, evictMoved, "") // a client resumed it
				r.mu.Unlock()
				return nil
			}
			fence, next.Write = stands.Epoch, max(next.Write, stands.Write)
		}
		next.Epoch = max(m.epoch.Load(), fence, r.epochOf(m.connID)) + 1
		next.Write++
		if done, err := st.restoreAs(ctx, m, next, fence); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("restore: the member is written all the time: %w", store.ErrUnavailable)
}

// restoreAs is one try: index entry, member, connection.
func (st *seat) restoreAs(ctx context.Context, m *membership, next store.Member, fence int64) (done bool, err error) {
	e, r := st.sock.eng, m.room
	entry := m.entry()
	entry.Node, entry.Epoch, entry.Life = next.Owner, next.Epoch, next.Life
	if err := e.register(ctx, entry); err != nil {
		return false, err
	}
	r.mu.Lock()
	before := m.epoch.Load()
	m.owner, m.life = next.Owner, next.Life
	m.epoch.Store(next.Epoch) // also if nobody answers: a leave must find it
	r.mu.Unlock()
	m.write.Store(next.Write)
	res, err := e.put(ctx, &store.Put{Intent: store.IntentRestore, Member: next, Fence: fence}, r)
	if err != nil {
		m.doubtMs.Store(e.expiry(ctx))
		return false, err
	}
	if res.Outcome != store.Applied && res.Outcome != store.Repeated {
		m.epoch.CompareAndSwap(next.Epoch, before) // that of whoever was faster
		return false, nil
	}
	m.restored()
	return true, e.connJoin(ctx, m.conn())
}

func (m *membership) restored() {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	m.restoring, m.lost = false, noReset
}
