package replica

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// SeenMs is when a member was last heard of, given how it stood at a time of the
// store's clock and what was known before that (0: nothing); lease is that of nodes.
// What is written about a member without a connection is no life sign of it: of one in
// grace the store knows when it was lost.
func SeenMs(m *store.Member, atMs, knownMs int64, lease time.Duration) int64 {
	if m.UntilMs == 0 && !m.Away {
		return atMs
	}
	seen := max(m.JoinedMs, knownMs)
	if m.UntilMs == 0 {
		return min(seen, atMs)
	}
	lost := m.UntilMs - m.GraceMs
	if m.Lost == store.ReasonNodeLost { // its grace began when the others knew that
		lost -= lease.Milliseconds()
	}
	return min(max(seen, lost), atMs)
}

// seen is a member as it stood at a time of the store's clock; old is what was shown of
// it before, nil for nothing.
func (r *Replica) seen(m store.Member, atMs int64, old *Member) *Member {
	now := &Member{Member: m}
	switch {
	case old == nil:
		now.SeenMs = SeenMs(&m, atMs, 0, r.settings.Lease)
	case m.UntilMs > 0 && (old.Away || r.owner.Owns(m.ConnID)): // its owner knows better
		now.SeenMs = old.SeenMs
	default:
		now.SeenMs = SeenMs(&m, atMs, old.SeenMs, r.settings.Lease)
	}
	return now
}

// markSilent notes when a member of another node that is shown away with its connection
// open was last heard of.
func (r *Replica) markSilent(m *Member, atMs int64, old *Member) {
	silent := r.settings.SilentAfter
	if silent > 0 && m.Away && m.UntilMs == 0 && (old == nil || !old.Away) && !r.owner.Owns(m.ConnID) {
		m.SeenMs = max(m.SeenMs, atMs-silent.Milliseconds())
	}
}

// tellSeen completes an event that shows a member away. A node that hears late that
// others took its member over may have heard of the member since: that is not what the
// event tells.
func (r *Replica) tellSeen(c *Change, m *Member) {
	if m.Away {
		c.LastSeen = time.UnixMilli(min(r.LastSeenMs(m), c.Time.UnixMilli()))
	}
}
