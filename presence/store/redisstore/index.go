package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// Both indexes are hashes with a field per member: its connId and its room,
// separated by a space. What a node holds has the epoch and the userId as
// value, where a user is has the node's id.

// Register implements store.Store.
func (s *Store) Register(ctx context.Context, e store.Entry) error {
	field, until := entryField(&e), num(e.ExpiresMs)
	return s.writeEntry(ctx, "register", &s.scripts.indexSet, &e,
		run{s.keys.node(e.Node), []string{until, field, num(e.Epoch) + " " + e.UserID}},
		run{s.keys.user(e.UserID), []string{until, field, e.Node}})
}

// Unregister implements store.Store.
func (s *Store) Unregister(ctx context.Context, e store.Entry) error {
	args := []string{num(e.ExpiresMs), entryField(&e)}
	return s.writeEntry(ctx, "unregister", &s.scripts.indexDel, &e,
		run{s.keys.node(e.Node), args}, run{s.keys.user(e.UserID), args})
}

// Disown implements store.Store.
func (s *Store) Disown(ctx context.Context, e store.Entry) error {
	return s.writeEntry(ctx, "disown", &s.scripts.indexDel, &e,
		run{s.keys.node(e.Node), []string{num(e.ExpiresMs), entryField(&e)}})
}

func entryField(e *store.Entry) string { return e.ConnID + " " + e.Room }

var errSpace = errors.New("the connection's id has a space")

func (s *Store) writeEntry(ctx context.Context, what string, with *script, e *store.Entry, runs ...run) error {
	if strings.Contains(e.ConnID, " ") {
		return fmt.Errorf("%s member %q: %w", what, e.ConnID, errSpace)
	}
	if err := s.pipe.write(ctx, with, runs...); err != nil {
		return fmt.Errorf("%s member %q of room %q: %w", what, e.ConnID, e.Room, err)
	}
	return nil
}

// UserMembers implements store.Store.
func (s *Store) UserMembers(ctx context.Context, userID string) ([]store.Location, error) {
	msg, err := s.pipe.do(ctx, s.client.B().Hkeys().Key(s.keys.user(userID)).Build())
	if err != nil {
		return nil, fmt.Errorf("read user %q: %w", userID, err)
	}
	list, err := msg.AsStrSlice()
	if err != nil {
		return nil, fmt.Errorf("read user %q: %w", userID, err)
	}
	out := make([]store.Location, len(list))
	for i, field := range list {
		out[i].ConnID, out[i].Room, _ = strings.Cut(field, " ")
	}
	return out, nil
}
