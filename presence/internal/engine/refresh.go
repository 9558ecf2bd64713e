package engine

import (
	"hash/crc32"
	"runtime"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// refreshBatch is how many connections one call to the store refreshes.
const refreshBatch = 256

// userTurns is in how many turns each member has the entry of its user written once, and
// userTurn how long a turn is: an entry is written three times in its time to live, whatever
// that of connections is.
const (
	userTurns = 120
	userTurn  = store.UserTTL / 3 / userTurns
)

// usersInTurn returns what writes the entries of the users whose turn it is, to be run
// every userTurn.
func (e *Engine) usersInTurn() func() {
	turn := 0
	return func() {
		turn = (turn + 1) % userTurns
		for _, m := range e.Owned.All() {
			if crc32.ChecksumIEEE([]byte(m.ConnID))%userTurns == uint32(turn) {
				m.WriteUserSoon()
			}
		}
	}
}

// refreshConns renews the records of all connections of this node, of those in
// grace too, and writes those again that the store lost.
func (e *Engine) refreshConns() {
	conns := e.Owned.Conns()
	batch := make([]store.Seen, 0, refreshBatch)
	flush := func() {
		ctx, cancel := e.StoreContext()
		defer cancel()
		defer func() { batch = batch[:0] }()
		missing, err := e.Store.ConnRefresh(ctx, e.Self(), batch)
		if err != nil && e.Ctx.Err() == nil {
			e.Throttled.Warn("records of connections not refreshed; the next refresh tries again", "count", len(batch), "error", err)
		}
		for _, id := range missing {
			for _, c := range conns[id] {
				if e.Owned.Owns(c.Room, c.ConnID) && e.ConnJoin(ctx, c) != nil {
					return // the next refresh finds it again
				}
			}
		}
	}
	for id, rooms := range conns {
		batch = append(batch, store.Seen{ConnID: id, SeenMs: rooms[0].SeenMs})
		if len(batch) == refreshBatch {
			flush()
			runtime.Gosched() // there may be very many
		}
	}
	if len(batch) > 0 {
		flush()
	}
}
