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

// idleRooms lists the rooms whose replicas nothing has shown to be in line with the store for
// IdleAfter. It looks at a room once in that time, as a rule.
func (rs *Rooms) idleRooms() []*Room {
	since := rs.Clock.Now().Add(-IdleAfter)
	due := rs.notInSync(since)
	var quiet []*Room
	for i := range due {
		if i%positionBatch == positionBatch-1 {
			runtime.Gosched()
		}
		r := due[i].Room
		r.Mu.Lock()
		due[i].inSync = r.inSyncAt
		if !r.Loading && r.inSyncAt.Before(since) {
			quiet = append(quiet, r)
		}
		r.Mu.Unlock()
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, k := range due {
		if k.place > 0 && rs.open != nil {
			rs.all[k.place-1].inSync = k.inSync
		}
	}
	return quiet
}

// notInSync lists the rooms that were not known to be in line with the store after a time.
func (rs *Rooms) notInSync(at time.Time) (due []known) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, k := range rs.all {
		if k.inSync.Before(at) {
			due = append(due, k)
		}
	}
	return due
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
