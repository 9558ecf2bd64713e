package presence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// kickTries is how often a kick follows a member that moves meanwhile.
const kickTries = 4

// kick removes the members that t names. Their owners learn it from the event
// and clean up the indexes: only the owner writes those.
func (e *engine) kick(ctx context.Context, t KickTarget) (removed int, err error) {
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
func (e *engine) kickOnce(ctx context.Context, t KickTarget) (removed int, missed store.Outcome, err error) {
	loaded, err := e.store.Load(ctx, t.RoomID)
	if err != nil {
		return 0, 0, err
	}
	for i := range loaded.Members {
		m := &loaded.Members[i]
		if m.ConnID != t.ConnID && (t.UserID == "" || m.UserID != t.UserID) {
			continue
		}
		if t.Disconnect {
			if err := e.announceCut(ctx, t.RoomID, m); err != nil {
				return removed, 0, err
			}
		}
		res, err := e.store.Remove(ctx, store.Remove{
			Room: t.RoomID, ConnID: m.ConnID, Epoch: m.Epoch, Reason: ReasonKicked, ExpiresMs: e.expiry(ctx),
		})
		if err != nil {
			return removed, 0, err
		}
		switch res.Outcome {
		case store.Applied:
			removed++
			e.departed.add(e.newDeparture(t.RoomID, m, ReasonKicked), e.clock.Now())
		case store.Fenced, store.Expired:
			missed = max(missed, res.Outcome)
		}
	}
	return removed, missed, nil
}

// cutText tells a member's owner that the kick which follows shall disconnect its
// socket, too: the event that removes the member has no place for it.
type cutText struct {
	Room   string `json:"r"`
	ConnID string `json:"c"`
	Epoch  int64  `json:"e"`
}

// announceCut tells the owner of a member, whichever node that is.
func (e *engine) announceCut(ctx context.Context, room string, m *store.Member) error {
	text, err := json.Marshal(cutText{room, m.ConnID, m.Epoch})
	if err != nil {
		return err
	}
	return e.store.PublishNodes(ctx, append([]byte{castCut}, text...))
}

// heardCut takes what announceCut sent.
func (e *engine) heardCut(text []byte) {
	var cut cutText
	if err := json.Unmarshal(text, &cut); err != nil {
		e.faults.Warn("kick announced by another server not understood; does it run another version?", "error", err)
		return
	}
	e.mu.Lock()
	r := e.rooms[cut.Room]
	e.mu.Unlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.owned[cut.ConnID]; m != nil {
		m.cutEpoch = cut.Epoch
	}
}

// pause waits before the store is asked again for something that came too late.
func (e *engine) pause(ctx context.Context) error { return e.wait(ctx, mendInterval) }

// wait blocks for a while, or until ctx or the engine ends: that is an error.
func (e *engine) wait(ctx context.Context, d time.Duration) error {
	done := make(chan struct{})
	t := e.clock.AfterFunc(d, func() { close(done) })
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.Join(store.ErrUnavailable, ctx.Err())
	case <-e.ctx.Done():
		return store.ErrClosed
	}
}
