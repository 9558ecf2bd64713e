package engine

import (
	"context"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// After a loss of data, in this order: the rooms are loaded again, each after its own jitter
// of up to 1 s; a load that lacks a member of this node has it checked, and the check restores
// it. At the same time, after another jitter, repeatAll writes what the store may have lost
// beside the members, and the node reaper looks through the dead nodes again (Recheck).

// DataLost implements node.Host: the store does not know this node any more. It was emptied
// or it is another one, so every room has lost its members.
func (e *Engine) DataLost() {
	e.Log.Warn("the store lost data; restoring members", "node", e.self())
	for _, r := range e.Rooms.replicas() {
		r.scheduleResync(true)
	}
	e.repeat()
}

// onPossibleDataLoss is called when the store may have lost its last writes, by a failover or a
// restart. It does nothing about the rooms: the store calls HandleInterrupt of each room that
// lies on that server.
func (e *Engine) onPossibleDataLoss() {
	e.life.Recheck()
	e.Log.Warn("the store may have lost writes; repeating recent leaves and writing the indexes again", "node", e.self())
	e.repeat()
}

// repeat says again, not at once with all other nodes, what the store may have lost beside
// the members. It does not block.
func (e *Engine) repeat() {
	now := e.clock.Now()
	e.dataLossAt.Store(&now)
	e.index.MayBeLost()
	if e.repeats.Add(1) == 1 {
		e.start(e.repeatAll)
	}
}

// repeatAll does what repeat asked for, once for all who asked while it was at it.
func (e *Engine) repeatAll() {
	for asked := e.repeats.Load(); asked > 0 && e.sleep(jitter()); asked = e.repeats.Add(-asked) {
		asked = e.repeats.Load()
		e.refreshConns()
		for _, m := range e.Owned.ownedMembers() {
			m.writeUserSoon()
		}
		e.repeatLeaves() // before the index: clients see what comes back, and it ends with the tombstones' time
		e.retrying("index of rooms", func() error { return e.index.Repair(e.ctx) })
	}
}

// lostData reports whether the store lost data lately, as far as the node knows.
func (e *Node) lostData(now time.Time) bool {
	at := e.dataLossAt.Load()
	return at != nil && now.Sub(*at) < replica.LossTime
}

// lostDataLocked reports whether the store lost data of the room lately, as far as the node
// knows. The lock is held.
func (r *room) lostDataLocked(now time.Time) bool { return r.eng.lostData(now) || r.rep.LostData(now) }

// mayRestore reports whether members of the room that the store does not have may be restored
// any moment.
func (r *room) mayRestore() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rep.State() == replica.Rebuilding || r.eng.lostData(r.eng.clock.Now())
}

// retrying runs a step again and again until it succeeds or the node ends. It blocks.
func (e *Node) retrying(doing string, step func() error) {
	for {
		err := step()
		if err == nil || e.ctx.Err() != nil {
			return
		}
		e.throttled.Warn("the store did not answer; trying again", "doing", doing, "error", err)
		if !e.sleep(retryInterval) {
			return
		}
	}
}

// repeatLeaves removes the members again that this node removed lately, until the store
// answers for every room or they are forgotten. Rooms with a replica see to those that
// they show; here are also those without. It blocks.
func (e *Engine) repeatLeaves() {
	done := make(map[string]bool)
	e.retrying("leaves of the last minute", func() (failed error) {
		for room, list := range e.tombstones.Mine(e.clock.Now()) {
			if done[room] {
				continue
			}
			if err := e.repeatIn(room, list); err != nil {
				failed = err
				continue
			}
			done[room] = true
		}
		return failed
	})
}

func (e *Engine) repeatIn(room string, list []replica.Tombstone) error {
	for part := range slices.Chunk(list, reapPage) {
		if err := e.repeatSome(room, part); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) repeatSome(room string, list []replica.Tombstone) error {
	ids := make([]string, len(list))
	ended := make(map[string]replica.Tombstone, len(list))
	for i, t := range list {
		ids[i], ended[t.Life] = t.ConnID, t
	}
	found, err := e.loadMembers(e.ctx, room, ids)
	if err != nil {
		return err
	}
	for i := range found {
		if t, ok := ended[found[i].Life]; ok {
			e.Owned.repeatLeave(t)
			delete(ended, t.Life)
		}
	}
	for _, t := range ended { // they may lie elsewhere, and be back without the member
		ctx, cancel := e.storeContext()
		err := e.Owned.endEntries(ctx, t)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// endEntries removes what there is of a member that has left beside its record.
func (e *ownedMembers) endEntries(ctx context.Context, t replica.Tombstone) error {
	err := e.removeUser(ctx, t.UserEntry())
	if err != nil || e.owns(t.Room, t.ConnID) { // the connection is in the room again
		return err
	}
	return e.connLeave(ctx, store.Conn{ConnID: t.ConnID, UserID: t.UserID, Room: t.Room, Node: t.Owner})
}

// writeUserSoon has the user's entry of the member written again. It does not block.
func (m *ownedMember) writeUserSoon() {
	e := m.room.all
	m.room.mu.Lock()
	l := m.writer()
	m.room.mu.Unlock()
	if l != nil {
		e.carryOut(l, m.writeUser)
	}
}

// writeUser writes the user's entry of a member that stands: nobody would remove one that a
// node wrote which stood still while its member left elsewhere. An operation of the member's
// executor.
func (m *ownedMember) writeUser(ctx context.Context) error {
	e, r := m.room.all, m.room
	if !r.isOwn(m) {
		return nil
	}
	stands, err := e.stored(ctx, r.id, m.connID)
	if err != nil || stands == nil || stands.Life != m.life {
		return err
	}
	return e.addUser(ctx, m.userEntry())
}
