package presence

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// auditInterval is how often a node asks itself whether an audit is due.
	auditInterval = 2 * time.Second
	// auditEntries bounds one audit; what is left is for the next one.
	auditEntries = 1 << 16
)

// audit compares what the index says that the node holds with what it holds,
// once the doubts about writes are over: entries whose write was answered by
// nobody may have been forgotten, or carried out when nobody waited any more.
func (e *engine) audit() {
	since := e.doubted.Load()
	settled := e.storeTimeout + auditInterval
	if since == 0 || e.storeNow()-since < settled.Milliseconds() || e.draining.Load() {
		return
	}
	ctx, cancel := e.bounded()
	defer cancel()
	entries, err := e.store.NodeEntries(ctx, e.self(), auditEntries)
	if err != nil {
		return
	}
	rooms := make(map[string][]store.Entry)
	for _, entry := range entries {
		switch now, own := e.presence(entry); now {
		case absent:
			rooms[entry.Room] = append(rooms[entry.Room], entry)
		case asOther: // it names who had the place before
			e.registerAgain(own)
		}
	}
	if e.reapRooms(rooms) && len(entries) < auditEntries {
		e.doubted.CompareAndSwap(since, 0)
	}
}

// doubt notes that the store left a write without an answer.
func (e *engine) doubt() { e.doubted.Store(e.storeNow()) }
