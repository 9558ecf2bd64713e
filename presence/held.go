package presence

import "github.com/realtime-ai/realtime-message-go/presence/internal/store"

const (
	// maxHeld and maxHeldBytes bound the events that a room holds back during a load,
	// which may fail for as long as the store does not answer.
	maxHeld      = 1024
	maxHeldBytes = 1 << 20
)

// heldEvents are the events of a room that came while it is being loaded.
type heldEvents struct {
	events []store.Event
	bytes  int
}

// hold keeps an event until the load is done. When too many wait they are dropped
// but for the leaves, which are remembered as such: the next load after this one
// has what they said. The room's lock is held.
func (r *room) hold(e store.Event) {
	h := &r.held
	if h.bytes += len(e.Member.State); len(h.events) >= maxHeld || h.bytes > maxHeldBytes {
		for i := range h.events {
			r.leaves(&h.events[i])
		}
		*h = heldEvents{bytes: len(e.Member.State)}
		r.again = true
	}
	h.events = append(h.events, e)
}
