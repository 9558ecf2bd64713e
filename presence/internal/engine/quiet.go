package engine

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// idleAfter is how long a room may have no event before the node compares it with the
	// store. A lost event shows by the next event, or by this check.
	idleAfter = 3500 * time.Millisecond
	// idleCheckInterval is how often it looks for such rooms.
	idleCheckInterval = 500 * time.Millisecond
	// eventTravelTime is what time an event has to arrive after its write was seen.
	eventTravelTime = 250 * time.Millisecond
)

// positionBatch is how many rooms one call to the store asks for.
const positionBatch = 256

// checkIdleRooms compares the position of rooms without recent events with the store.
func (e *Rooms) checkIdleRooms() {
	quiet := e.idleRooms()
	for len(quiet) > 0 {
		batch := quiet[:min(len(quiet), positionBatch)]
		quiet = quiet[len(batch):]
		ids := make([]string, len(batch))
		for i, r := range batch {
			ids[i] = r.id
		}
		ctx, cancel := e.storeContext()
		at, err := e.store.Positions(ctx, ids)
		cancel()
		if err != nil {
			if e.ctx.Err() == nil {
				e.throttled.Warn("rooms without events not checked; trying again", "count", len(ids), "error", err)
			}
			return // nothing is concluded from a store that does not answer
		}
		for i, r := range batch {
			r.comparePosition(at[i])
		}
	}
}

func (e *Rooms) idleRooms() []*room {
	now := e.clock.Now()
	since := now.Add(-idleAfter)
	var quiet []*room
	for _, r := range e.replicas() {
		r.mu.Lock()
		if r.snap != nil && now.Sub(r.snap.made) >= snapshotLife {
			r.forgetSnapshot()
		}
		if !r.loading && r.inSyncAt.Before(since) {
			quiet = append(quiet, r)
		}
		r.mu.Unlock()
	}
	return quiet
}

// replicas lists the replicas of the node.
func (e *Rooms) replicas() []*room {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*room, 0, len(e.open))
	for _, r := range e.open {
		list = append(list, r)
	}
	return list
}

// comparePosition starts a resync if the store has another position than the replica, unless an
// event on its way explains that. A room without a record equals a replica without members.
func (r *room) comparePosition(at store.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inSyncAt = r.eng.clock.Now()
	known := r.rep.Loaded()
	if at == known || at.Born == "" && r.rep.Len() == 0 {
		return
	}
	r.eng.clock.AfterFunc(eventTravelTime, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.rep.Loaded() == known {
			r.resync()
		}
	})
}
