package presence

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// seenMs is when a member was last heard of, given how it stood at a time of the
// store's clock and what was known before that (0: nothing). What is written about
// a member without a connection is no life sign of it: of one in grace the store
// knows when it was lost.
func (e *engine) seenMs(m *store.Member, atMs, knownMs int64) int64 {
	if m.UntilMs == 0 && !m.Away {
		return atMs
	}
	seen := max(m.JoinedMs, knownMs)
	if m.UntilMs == 0 {
		return min(seen, atMs)
	}
	lost := m.UntilMs - m.GraceMs
	if m.Lost == ReasonNodeLost { // its grace began when the others knew that
		lost -= e.leaseTime.Milliseconds()
	}
	return min(max(seen, lost), atMs)
}

// noticed is a member of the replica as it stood at a time of the store's clock;
// old is what was known of it before, nil for nothing. The room's lock is held.
func (r *room) noticed(m store.Member, atMs int64, old *member) *member {
	now := &member{Member: m}
	switch {
	case old == nil:
		now.seenMs = r.eng.seenMs(&m, atMs, 0)
	case m.UntilMs > 0 && (old.Away || r.owned[m.ConnID] != nil): // noteLastPacket knows better
		now.seenMs = old.seenMs
	default:
		now.seenMs = r.eng.seenMs(&m, atMs, old.seenMs)
	}
	return now
}

// noteLastPacket remembers when a member that loses its socket was last heard of.
// The room's lock is held.
func (r *room) noteLastPacket(m *membership) {
	if shown := r.members[m.connID]; shown != nil && r.owned[m.connID] == m {
		shown.seenMs = r.lastSeenMs(shown)
	}
}

// markSilent notes when a member of another node that is shown away with its
// connection open was last heard of. The room's lock is held.
func (r *room) markSilent(m *member, atMs int64, old *member) {
	silent := r.eng.silentAfter
	if silent > 0 && m.Away && m.UntilMs == 0 && (old == nil || !old.Away) && r.owned[m.ConnID] == nil {
		m.seenMs = max(m.seenMs, atMs-silent.Milliseconds())
	}
}

// tellSeen completes an event that shows a member away; nil is none. A node that hears
// late that others took its member over may have heard of the member since: that is not
// what the event tells. The room's lock is held.
func (r *room) tellSeen(e *Event, m *member) {
	if e != nil && m.Away {
		e.LastSeen = time.UnixMilli(min(r.lastSeenMs(m), e.Time.UnixMilli()))
	}
}
