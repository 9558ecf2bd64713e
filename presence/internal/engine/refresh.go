package engine

import (
	"hash/crc32"
	"runtime"
	"slices"

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
	missing := make(map[string]struct{})
	for batch := range slices.Chunk(e.Owned.Seen(), refreshBatch) {
		ctx, cancel := e.StoreContext()
		lost, err := e.Store.ConnRefresh(ctx, e.Self(), batch)
		cancel()
		if err != nil && e.Ctx.Err() == nil {
			e.Throttled.Warn("records of connections not refreshed; the next refresh tries again", "count", len(batch), "error", err)
		}
		for _, id := range lost {
			missing[id] = struct{}{}
		}
		runtime.Gosched() // there may be very many
	}
	if len(missing) == 0 {
		return
	}
	for batch := range slices.Chunk(e.Owned.Conns(missing), refreshBatch) {
		if !e.rewriteConns(batch) {
			return // the next refresh finds them again
		}
	}
}

// rewriteConns writes records of connections that the store lost. It reports false when it could not.
func (e *Engine) rewriteConns(conns []store.Conn) bool {
	ctx, cancel := e.StoreContext()
	defer cancel()
	for _, c := range conns {
		if e.Owned.Owns(c.Room, c.ConnID) && e.ConnJoin(ctx, c) != nil {
			return false
		}
	}
	return true
}
