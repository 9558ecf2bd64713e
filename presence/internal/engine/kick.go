package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// kickTries is how often a kick follows a member that moves meanwhile.
const kickTries = 4

// KickTarget says what to remove from which room: one connection, or all connections of a
// user. RoomID and one of the other two are required.
type KickTarget struct {
	RoomID string
	ConnID string
	UserID string
	// Disconnect also sends a Socket.IO disconnect packet to each socket that this
	// leaves in no room, after which clients do not reconnect by themselves.
	Disconnect bool
}

// Kick removes the members that t names, and the entries of their users. Their owners learn it
// from the event, and remove those entries and the connection records too.
func (e *Engine) Kick(ctx context.Context, t KickTarget) (removed int, err error) {
	for moves := 0; moves < kickTries; {
		n, missed, err := e.kickOnce(ctx, t)
		removed += n
		if err == nil && missed == store.Expired {
			err = e.pause(ctx)
		}
		switch {
		case err != nil:
			return removed, fmt.Errorf("presence: kick: %w", err)
		case missed == 0:
			return removed, nil
		case missed == store.Fenced:
			moves++
		}
	}
	return removed, fmt.Errorf("presence: kick: a member moved at each try: %w", store.ErrUnavailable)
}

// kickOnce removes those that are there now. missed is why it has to be tried
// again for some: Fenced, they moved; Expired, the removal came too late.
func (e *Engine) kickOnce(ctx context.Context, t KickTarget) (removed int, missed store.Outcome, err error) {
	loaded, err := e.Store.Load(ctx, t.RoomID)
	if err != nil {
		return 0, 0, err
	}
	for i := range loaded.Members {
		m := &loaded.Members[i]
		if m.ConnID != t.ConnID && (t.UserID == "" || m.UserID != t.UserID) {
			continue
		}
		if t.Disconnect {
			if err := e.sendDisconnectNotice(ctx, t.RoomID, m); err != nil {
				return removed, 0, err
			}
		}
		outcome, err := e.kickMember(ctx, t.RoomID, m)
		switch {
		case err != nil:
			return removed, 0, err
		case outcome == store.Applied:
			removed++
		case outcome == store.Fenced, outcome == store.Expired:
			missed = max(missed, outcome)
		}
	}
	return removed, missed, nil
}

// kickMember removes one member as it stands.
func (e *Engine) kickMember(ctx context.Context, room string, m *store.Member) (store.Outcome, error) {
	t := replica.EndOf(room, m, store.ReasonKicked)
	t.Mine = true
	expires := e.Expiry(ctx)
	outcome, err := e.RemoveMember(ctx, store.Remove{
		Room: room, ConnID: m.ConnID, Epoch: m.Epoch, Life: m.Life, Reason: store.ReasonKicked,
	})
	switch {
	case errors.Is(err, core.ErrExpired):
		return store.Expired, nil
	case err != nil:
		e.followUp(t, expires)
	case outcome == store.Applied:
		e.Tombstones.Add(t, e.Clock.Now())
		// The owner does this, too, when it hears of the kick.
		if e.RemoveUser(ctx, t.UserEntry()) != nil {
			e.Owned.RepeatLeave(t)
		}
		e.Clock.AfterFunc(kickAgain, func() { e.repeatKick(t) })
	}
	return outcome, err
}

// kickAgain is when a kick is looked at again. An owner that did not hear of it, and finds the
// record of the room gone, takes the member for lost and has restored it by then.
const kickAgain = replica.RebuildTime + 5*time.Second

// repeatKick removes a member again that was kicked and is back, in the same life. It does not
// block.
func (e *Engine) repeatKick(t replica.Tombstone) {
	e.CarryOutLater(t.Room, func(ctx context.Context) error {
		stands, err := e.Stored(ctx, t.Room, t.ConnID)
		if err == nil && stands != nil && stands.Life == t.Life {
			e.Owned.RepeatLeave(t)
		}
		return err
	})
}

// followUp finds out what became of a kick without an answer when it cannot take effect
// any more, and removes what is left of a member that is gone. It does not block.
func (e *Engine) followUp(t replica.Tombstone, expiresMs int64) {
	e.CarryOutLater(t.Room, e.After(expiresMs, func(ctx context.Context) error {
		stands, err := e.Stored(ctx, t.Room, t.ConnID)
		if err != nil || stands != nil && stands.Life == t.Life {
			return err
		}
		e.Tombstones.Add(t, e.Clock.Now())
		return e.Owned.EndEntries(ctx, t)
	}))
}

// sendDisconnectNotice tells the owner of a member, whichever node that is.
func (e *Engine) sendDisconnectNotice(ctx context.Context, room string, m *store.Member) error {
	text, err := wire.DisconnectNotice{Room: room, ConnID: m.ConnID, Epoch: m.Epoch}.Text()
	if err != nil {
		return err
	}
	return e.Store.PublishNodes(ctx, text)
}

// handleDisconnectNotice takes what sendDisconnectNotice sent.
func (e *Engine) handleDisconnectNotice(text []byte) {
	cut, err := wire.ParseDisconnectNotice(text)
	if err != nil {
		e.Throttled.Warn("kick of another server not understood, so a socket may stay connected; does that server run another version?", "error", err)
		return
	}
	if r := e.Owned.Of(cut.Room); r != nil {
		r.DisconnectWith(cut.ConnID, cut.Epoch)
	}
}

// pause waits before the store is asked again for something that came too late.
func (e *Engine) pause(ctx context.Context) error { return e.Wait(ctx, core.RetryInterval) }
