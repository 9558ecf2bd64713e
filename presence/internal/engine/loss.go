package engine

import (
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
)

// After a loss of data, in this order: the rooms are loaded again, each after its own jitter
// of up to 1 s; a load that lacks a member of this node has it checked, and the check restores
// it. At the same time, after another jitter, repeatAll writes what the store may have lost
// beside the members, and the node reaper looks through the dead nodes again (Recheck).

// DataLost implements node.Host: the store does not know this node any more. It was emptied
// or it is another one, so every room has lost its members.
func (e *Engine) DataLost() {
	e.Log.Warn("the store lost data; restoring members", "node", e.Self())
	for _, r := range e.Rooms.All() {
		r.ScheduleResync(true)
	}
	e.repeat()
}

// onPossibleDataLoss is called when the store may have lost its last writes, by a failover or a
// restart. It does nothing about the rooms: the store calls HandleInterrupt of each room that
// lies on that server.
func (e *Engine) onPossibleDataLoss() {
	e.Life.Recheck()
	e.Log.Warn("the store may have lost writes; repeating recent leaves and writing the indexes again", "node", e.Self())
	e.repeat()
}

// repeat has everything written again that the store may have lost beside the members. It
// begins after a jitter, so that not all nodes do that at once. It does not block.
func (e *Engine) repeat() {
	now := e.Clock.Now()
	e.DataLossAt.Store(&now)
	e.Index.MayBeLost()
	if e.repeats.Add(1) == 1 {
		e.Go(e.repeatAll)
	}
}

// repeatAll does what repeat asked for, once for all who asked while it was at it.
func (e *Engine) repeatAll() {
	for asked := e.repeats.Load(); asked > 0 && e.Sleep(core.Jitter()); asked = e.repeats.Add(-asked) {
		asked = e.repeats.Load()
		e.refreshConns()
		for _, m := range e.Owned.All() {
			m.WriteUserSoon()
		}
		e.repeatLeaves() // before the index: clients see members that are back, and tombstones last a minute
		e.Retrying("index of rooms", func() error { return e.Index.Repair(e.Ctx) })
		e.Go(e.tellAgain)
	}
}

// tellAgain repeats the last leaves a second time after a loss.
func (e *Engine) tellAgain() {
	if e.Sleep(tellAgainAfter) {
		e.repeatLeaves()
	}
}

// tellAgainAfter is how long tellAgain waits. A node that is subscribed again later than this one
// misses the first notices, and gets the second ones.
const tellAgainAfter = 3 * time.Second

// repeatLeaves removes the members again that this node removed lately, until the store
// answers for every room or they are forgotten. Rooms with a replica see to those that
// they show; here are also those without. It blocks.
func (e *Engine) repeatLeaves() {
	done := make(map[string]bool)
	e.Retrying("leaves of the last minute", func() (failed error) {
		for room, list := range e.Tombstones.Mine(e.Clock.Now()) {
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
	found, err := e.loadMembers(e.Ctx, room, ids)
	if err != nil {
		return err
	}
	for i := range found {
		if t, ok := ended[found[i].Life]; ok {
			e.Owned.RepeatLeave(t)
			delete(ended, t.Life)
		}
	}
	for _, t := range ended {
		if err := e.repeatEnd(t); err != nil {
			return err
		}
	}
	return nil
}

// repeatEnd removes what there is of a member that left beside its record: that may be on
// another server, and back without the member. Then it tells the other nodes, which may
// have lost the event of the leave.
func (e *Engine) repeatEnd(t replica.Tombstone) error {
	ctx, cancel := e.StoreContext()
	defer cancel()
	if err := e.Owned.EndEntries(ctx, t); err != nil {
		return err
	}
	return e.TellEnd(ctx, t)
}
