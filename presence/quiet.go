package presence

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// quietAfter is how long a room may have no event before the node asks the
	// store where it stands: a lost event shows by the next one, or by this.
	quietAfter = 3500 * time.Millisecond
	// quietInterval is how often it looks for such rooms.
	quietInterval = 500 * time.Millisecond
	// eventTravels is what time an event has to arrive after its write was seen.
	eventTravels = 250 * time.Millisecond
)

// quietBatch is how many rooms one call to the store asks for.
const quietBatch = 256

// checkQuiet compares the replicas that had no event lately with the store.
func (e *engine) checkQuiet() {
	quiet := e.quietRooms()
	for len(quiet) > 0 {
		batch := quiet[:min(len(quiet), quietBatch)]
		quiet = quiet[len(batch):]
		ids := make([]string, len(batch))
		for i, r := range batch {
			ids[i] = r.id
		}
		ctx, cancel := e.bounded()
		at, err := e.store.Positions(ctx, ids)
		cancel()
		if err != nil {
			if e.ctx.Err() == nil {
				e.faults.Warn("rooms without events not checked; trying again", "count", len(ids), "error", err)
			}
			return // nothing is concluded from a store that does not answer
		}
		for i, r := range batch {
			r.compare(at[i])
		}
	}
}

func (e *engine) quietRooms() []*room {
	now := e.clock.Now()
	since := now.Add(-quietAfter)
	var quiet []*room
	for _, r := range e.openRooms() {
		r.mu.Lock()
		if r.snap != nil && now.Sub(r.snap.made) >= snapshotLife {
			r.forgetSnapshot()
		}
		if !r.loading && r.heardAt.Before(since) {
			quiet = append(quiet, r)
		}
		r.mu.Unlock()
	}
	return quiet
}

// openRooms lists the replicas of the node.
func (e *engine) openRooms() []*room {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*room, 0, len(e.rooms))
	for _, r := range e.rooms {
		list = append(list, r)
	}
	return list
}

// compare refetches the room if it stands elsewhere than the replica, and no
// event on its way changes that. A room without a record and a replica without
// members are the same.
func (r *room) compare(at store.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heardAt = r.eng.clock.Now()
	known := r.pos
	if at == known || at.Born == "" && len(r.members) == 0 {
		return
	}
	r.eng.clock.AfterFunc(eventTravels, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.pos == known {
			r.refetch()
		}
	})
}
