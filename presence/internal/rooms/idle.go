package rooms

import (
	"runtime"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// IdleAfter is how long a room may have no event before the node compares it with the
	// store. A lost event shows by the next event, or by this check.
	IdleAfter = 3500 * time.Millisecond
	// IdleCheckInterval is how often it looks for such rooms.
	IdleCheckInterval = 500 * time.Millisecond
	// EventTravelTime is what time an event has to arrive after its write was seen.
	EventTravelTime = 250 * time.Millisecond
)

// positionBatch is how many rooms one call to the store asks for.
const positionBatch = 256

// CheckIdle compares the position of rooms without recent events with the store.
func (rs *Rooms) CheckIdle() {
	quiet := rs.idleRooms()
	for len(quiet) > 0 {
		batch := quiet[:min(len(quiet), positionBatch)]
		quiet = quiet[len(batch):]
		ids := make([]string, len(batch))
		for i, r := range batch {
			ids[i] = r.ID
		}
		ctx, cancel := rs.StoreContext()
		at, err := rs.Store.Positions(ctx, ids)
		cancel()
		if err != nil {
			if rs.Ctx.Err() == nil {
				rs.Throttled.Warn("rooms without events not compared with the store; trying again", "count", len(ids), "error", err)
			}
			return // nothing is concluded from a store that does not answer
		}
		for i, r := range batch {
			r.comparePosition(at[i])
		}
		runtime.Gosched() // of a hundred thousand rooms others would have to wait for 10 ms again and again
	}
}

func (rs *Rooms) idleRooms() []*Room {
	now := rs.Clock.Now()
	since := now.Add(-IdleAfter)
	var quiet []*Room
	for i, r := range rs.All() {
		if i%positionBatch == positionBatch-1 {
			runtime.Gosched()
		}
		r.Mu.Lock()
		if r.snap != nil && now.Sub(r.snap.made) >= SnapshotLife {
			r.forgetSnapshot()
		}
		if !r.Loading && r.inSyncAt.Before(since) {
			quiet = append(quiet, r)
		}
		r.Mu.Unlock()
	}
	return quiet
}

// comparePosition starts a resync if the store has another position than the replica, unless an
// event on its way explains that. A room without a record equals a replica without members.
func (r *Room) comparePosition(at store.Position) {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	r.inSyncAt = r.all.Clock.Now()
	known := r.Rep.Loaded()
	if at == known || at.Born == "" && r.Rep.Len() == 0 {
		return
	}
	r.all.Clock.AfterFunc(EventTravelTime, func() {
		r.Mu.Lock()
		defer r.Mu.Unlock()
		if r.Rep.Loaded() == known {
			r.Resync()
		}
	})
}
