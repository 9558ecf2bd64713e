package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// reapPage is how many members of a room are read at once that this node has no
// replica of.
const reapPage = 256

// ReapRoom implements node.Host. A plain member leaves, a resumable one is taken over for
// the rest of its grace.
func (e *Engine) ReapRoom(ctx context.Context, owner, room string) error {
	if shown, ok := e.Owned.ShownOf(owner, room); ok {
		for page := range slices.Chunk(shown, reapPage) {
			list, err := e.loadMembers(ctx, room, page)
			if err == nil {
				err = e.reapMembers(ctx, owner, room, list)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for cursor := ""; ; {
		list, next, err := e.scanMembers(ctx, room, cursor)
		if err == nil {
			err = e.reapMembers(ctx, owner, room, list)
		}
		if err != nil || next == "" {
			return err
		}
		cursor = next
	}
}

// loadMembers reads members of a room that a replica shows: it does not have graces that
// were stored without an event.
func (e *Engine) loadMembers(ctx context.Context, room string, connIDs []string) ([]store.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, e.StoreTimeout)
	defer cancel()
	found, err := e.Store.LoadMembers(ctx, room, connIDs)
	return found.Members, err
}

// scanMembers reads a page of a room.
func (e *Engine) scanMembers(ctx context.Context, room, cursor string) ([]store.Member, string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.StoreTimeout)
	defer cancel()
	return e.Store.ScanMembers(ctx, room, cursor, reapPage)
}

// reapMembers sees to the members of an owner in a list, and to those that stand as this
// node's own and are not known here: a takeover without an answer may have taken effect.
func (e *Engine) reapMembers(ctx context.Context, owner, room string, list []store.Member) (failed error) {
	self := e.Self()
	for i := range list {
		if m := &list[i]; m.Owner == owner || m.Owner == self {
			if err := e.reapMember(ctx, room, m); err != nil {
				failed = err
			}
		}
	}
	return failed
}

// reapMember sees to one member of a dead node.
func (e *Engine) reapMember(ctx context.Context, room string, m *store.Member) error {
	ctx, cancel := context.WithTimeout(ctx, e.StoreTimeout)
	defer cancel()
	if r := e.Owned.Of(room); r != nil {
		if may, err := r.MayReap(m); !may || err != nil {
			return err
		}
	}
	now := e.Clock.Now()
	reason, nowMs := store.ReasonNodeLost, e.StoreTime(now)
	if t, ended := e.Tombstones.Of(m.Life, now); ended { // and the store lost that
		return e.Owned.RepeatLeaveOnce(ctx, t)
	}
	if m.UntilMs > 0 && m.UntilMs <= nowMs {
		reason = m.Lost // its grace ended while no node owned it
	} else if m.GraceMs > 0 {
		return e.Owned.TakeOver(ctx, room, m, nowMs)
	}
	t := replica.EndOf(room, m, reason)
	t.Mine = true
	if err := e.RemoveUser(ctx, t.UserEntry()); err != nil {
		return err
	}
	outcome, err := e.RemoveMember(ctx, store.Remove{
		Room: room, ConnID: m.ConnID, Epoch: m.Epoch, Owner: m.Owner, Life: m.Life, Reason: reason,
	})
	switch {
	case err != nil:
		return err
	case outcome == store.Fenced:
		if stands, err := e.Stored(ctx, room, m.ConnID); err != nil || stands != nil && stands.Life == m.Life {
			_ = e.Owned.GiveUserBack(ctx, t.UserEntry()) // it lives on; its owner writes the entry some time, if this fails
		}
		return fmt.Errorf("reap %s: it is written by somebody: %w", m.ConnID, store.ErrUnavailable)
	}
	e.Tombstones.Add(t, now)
	return e.ConnLeave(ctx, store.Conn{
		ConnID: m.ConnID, UserID: m.UserID, Room: room, Node: m.Owner, Epoch: m.Epoch,
	})
}

// Owners implements node.Host.
func (e *Engine) Owners() map[string][]string { return e.Owned.Owners() }
