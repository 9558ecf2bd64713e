package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// reapPage is how many members of a room are read at once that this node has no
// replica of.
const reapPage = 256

// ReapRoom implements node.Host. A plain member leaves, a resumable one is taken over for
// the rest of its grace.
func (e *Engine) ReapRoom(ctx context.Context, owner, room string) error {
	if shown, ok := e.Owned.shownOf(owner, room); ok {
		for page := range slices.Chunk(shown, reapPage) {
			list, err := e.loadMembers(ctx, room, page)
			if err == nil {
				err = e.reapMembers(ctx, owner, room, list)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for cursor := ""; ; {
		list, next, err := e.scanMembers(ctx, room, cursor)
		if err == nil {
			err = e.reapMembers(ctx, owner, room, list)
		}
		if err != nil || next == "" {
			return err
		}
		cursor = next
	}
}

// loadMembers reads members of a room that a replica shows: it does not have graces that
// were stored without an event.
func (e *Engine) loadMembers(ctx context.Context, room string, connIDs []string) ([]store.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, e.StoreTimeout)
	defer cancel()
	found, err := e.store.LoadMembers(ctx, room, connIDs)
	return found.Members, err
}

// scanMembers reads a page of a room.
func (e *Engine) scanMembers(ctx context.Context, room, cursor string) ([]store.Member, string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.StoreTimeout)
	defer cancel()
	return e.store.ScanMembers(ctx, room, cursor, reapPage)
}

// shownOf lists the members of an owner, and of this node, in a room by this node's
// replica, and reports whether it has one that is in line with the store.
func (e *ownedMembers) shownOf(owner, room string) (connIDs []string, ok bool) {
	r := e.roomOf(room)
	if r == nil {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loading || r.rep.State() != replica.Current {
		return nil, false
	}
	for m := range r.rep.All() {
		if m.Owner == owner || m.Owner == r.all.self() && r.owned[m.ConnID] == nil {
			connIDs = append(connIDs, m.ConnID)
		}
	}
	return connIDs, true
}

// roomOf returns the open room of an id; nil: it is not open.
func (e *Rooms) roomOf(id string) *room {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open[id]
}

// reapMembers sees to the members of an owner in a list, and to those that stand as this
// node's own and are not known here: a takeover without an answer may have taken effect.
func (e *Engine) reapMembers(ctx context.Context, owner, room string, list []store.Member) (failed error) {
	self := e.self()
	for i := range list {
		if m := &list[i]; m.Owner == owner || m.Owner == self {
			if err := e.reapMember(ctx, room, m); err != nil {
				failed = err
			}
		}
	}
	return failed
}

// reapMember sees to one member of a dead node.
func (e *Engine) reapMember(ctx context.Context, room string, m *store.Member) error {
	ctx, cancel := context.WithTimeout(ctx, e.StoreTimeout)
	defer cancel()
	if r := e.Owned.roomOf(room); r != nil {
		if may, err := r.mayReap(m); !may || err != nil {
			return err
		}
	}
	now := e.clock.Now()
	reason, nowMs := store.ReasonNodeLost, e.storeTime(now)
	if t, ended := e.tombstones.Of(m.Life, now); ended { // and the store lost that
		return e.Owned.repeatLeaveOnce(ctx, t)
	}
	if m.UntilMs > 0 && m.UntilMs <= nowMs {
		reason = m.Lost // its grace ended while no node owned it
	} else if m.GraceMs > 0 {
		return e.Owned.takeOver(ctx, room, m, nowMs)
	}
	t := replica.EndOf(room, m, reason)
	t.Mine = true
	if err := e.removeUser(ctx, t.UserEntry()); err != nil {
		return err
	}
	outcome, err := e.removeMember(ctx, store.Remove{
		Room: room, ConnID: m.ConnID, Epoch: m.Epoch, Owner: m.Owner, Life: m.Life, Reason: reason,
	})
	switch {
	case err != nil:
		return err
	case outcome == store.Fenced:
		if stands, err := e.stored(ctx, room, m.ConnID); err != nil || stands != nil && stands.Life == m.Life {
			_ = e.addUser(ctx, t.UserEntry()) // it lives on; its owner writes the entry some time, if this fails
		}
		return fmt.Errorf("reap %s: it is written by somebody: %w", m.ConnID, store.ErrUnavailable)
	}
	e.tombstones.Add(t, now)
	return e.connLeave(ctx, store.Conn{
		ConnID: m.ConnID, UserID: m.UserID, Room: room, Node: m.Owner, Epoch: m.Epoch,
	})
}

// mayReap tells what a claimant does with a member that it found in the store: true, it
// reaps it; false, it leaves it alone, since the member is this node's own; an error, it looks
// again later, since this node owns the member, which stands under the id of a dead node, and
// restores it first.
func (r *ownRoom) mayReap(m *store.Member) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.owned[m.ConnID]
	switch {
	case own == nil, own.leaving && own.life != m.Life:
		return true, nil
	case own.leaving, m.Owner == r.all.self(): // or its leave is under way
		return false, nil
	}
	return false, fmt.Errorf("reap %s: it is this node's and restored first: %w", m.ConnID, store.ErrUnavailable)
}

// takeOver takes a resumable member of a dead node over, without a socket.
func (e *ownedMembers) takeOver(ctx context.Context, room string, stands *store.Member, nowMs int64) error {
	r, err := e.acquire(ctx, room)
	if err != nil {
		return err
	}
	defer r.release()
	if !r.handoffs.TryLock(stands.ConnID) {
		return fmt.Errorf("reap %s: it is being resumed: %w", stands.ConnID, store.ErrUnavailable)
	}
	defer r.handoffs.Unlock(stands.ConnID)
	m := r.makeMember(stands.ConnID, stands.UserID, stands.Life, stands.State)
	m.digest, m.graceMs = stands.Token, stands.GraceMs
	m.joinedMs.Store(stands.JoinedMs)
	m.write.Store(stands.Write + 1)
	r.mu.Lock()
	m.epoch.Store(max(stands.Epoch, r.shownEpoch(stands.ConnID)) + 1) // the store may have lost the epoch that was shown
	r.mu.Unlock()
	x := disconnect{reason: stands.Lost, atMs: stands.UntilMs - stands.GraceMs, untilMs: stands.UntilMs, shownAway: stands.Away}
	if x.untilMs == 0 {
		x.reason, x.atMs, x.untilMs = store.ReasonNodeLost, nowMs-e.AwayAfter.Milliseconds(), nowMs+stands.GraceMs
	}
	if err := e.index.Add(ctx, r.id); err != nil {
		return err
	}
	// The node may have died in a leave, of which the first step removes this entry.
	if err := e.addUser(ctx, m.userEntry()); err != nil {
		return err
	}
	next := m.inGrace(x)
	next.Write = m.write.Load()
	res, err := r.put(ctx, &store.Put{Intent: store.IntentResume, Member: next, Fence: stands.Epoch, KeepState: true})
	if err != nil {
		return err
	}
	if !res.Outcome.TookEffect() {
		return nil // a client was quicker
	}
	if !r.takeOwnership(m, &res) {
		return nil
	}
	m.beginGrace(newExecutor(r.id), x)
	return e.connJoin(ctx, m.conn())
}

// Owners implements node.Host.
func (e *Engine) Owners() map[string][]string { return e.Owned.owners() }

// owners lists the rooms in which members of an owner are shown, by owner; not those that
// this node owns.
func (e *ownedMembers) owners() map[string][]string {
	owners := make(map[string][]string)
	for _, r := range e.replicas() {
		of := make(map[string]bool)
		r.mu.Lock()
		for m := range r.rep.All() {
			if r.owned[m.ConnID] == nil {
				of[m.Owner] = true
			}
		}
		r.mu.Unlock()
		for owner := range of {
			owners[owner] = append(owners[owner], r.id)
		}
	}
	return owners
}
