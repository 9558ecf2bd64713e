package engine

import (
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// maxBuffered bounds the events that a room holds back during a load, which may fail for
	// as long as the store does not answer.
	maxBuffered = 1024
	// maxBufferedBytes bounds their states.
	maxBufferedBytes = 1 << 20
)

// eventBuffer are the events of a room that came while it is being loaded.
type eventBuffer struct {
	events []store.Event
	bytes  int
}

// bufferEvent buffers an event until the load is done. When the buffer is full all events in it
// are dropped. Leaves are remembered as tombstones; a second load has what the other events
// said. The room's lock is held.
func (r *room) bufferEvent(e store.Event) {
	h := &r.buffered
	if h.bytes += len(e.Member.State); len(h.events) >= maxBuffered || h.bytes > maxBufferedBytes {
		for i := range h.events {
			r.rep.NoteLeave(&h.events[i], r.eng.clock.Now())
		}
		*h = eventBuffer{bytes: len(e.Member.State)}
		r.loadAgain = true
	}
	h.events = append(h.events, e)
}
