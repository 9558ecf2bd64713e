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
	return s.writeEntry(ctx, "register", &s.scripts.indexSet, &e,
		[]string{s.keys.node(e.Node), s.keys.user(e.UserID)}, []string{num(e.Epoch) + " " + e.UserID, e.Node})
}

// Unregister implements store.Store.
func (s *Store) Unregister(ctx context.Context, e store.Entry) error {
	keys := []string{s.keys.node(e.Node), s.keys.user(e.UserID)}
	if e.Node == "" {
		keys = keys[1:]
	}
	return s.writeEntry(ctx, "unregister", &s.scripts.indexDel, &e, keys, nil)
}

// Disown implements store.Store.
func (s *Store) Disown(ctx context.Context, e store.Entry) error {
	return s.writeEntry(ctx, "disown", &s.scripts.indexDel, &e, []string{s.keys.node(e.Node)}, nil)
}

func entryField(e *store.Entry) string { return e.ConnID + " " + e.Room }

var errSpace = errors.New("the connection's id has a space")

// writeEntry writes the entry in each of the indexes, with a value for each or
// none: in one go, but one by one on a cluster, where they lie apart.
func (s *Store) writeEntry(ctx context.Context, what string, with *script, e *store.Entry, keys, values []string) error {
	if strings.Contains(e.ConnID, " ") {
		return fmt.Errorf("%s member %q: %w", what, e.ConnID, errSpace)
	}
	until, field := expiry(e.ExpiresMs), entryField(e)
	runs := []run{{keys, append([]string{until, field}, values...)}}
	if s.cluster && len(keys) > 1 {
		runs = nil
		for i := range keys {
			args := []string{until, field}
			if values != nil {
				args = append(args, values[i])
			}
			runs = append(runs, run{keys[i : i+1], args})
		}
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
