package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/store"
	"github.com/redis/rueidis"
)

// Both indexes are hashes with a field per member: its connId and its room,
// separated by a space. What a node holds has the epoch and the userId as
// value, where a user is has the node's id.

// Register implements store.Store.
func (s *Store) Register(ctx context.Context, e store.Entry) error {
	b, field := s.client.B(), entryField(&e)
	return s.writeEntry(ctx, "register", &e,
		b.Hset().Key(s.keys.node(e.Node)).FieldValue().FieldValue(field, num(e.Epoch)+" "+e.UserID).Build(),
		b.Hset().Key(s.keys.user(e.UserID)).FieldValue().FieldValue(field, e.Node).Build())
}

// Unregister implements store.Store.
func (s *Store) Unregister(ctx context.Context, e store.Entry) error {
	b, field := s.client.B(), entryField(&e)
	return s.writeEntry(ctx, "unregister", &e,
		b.Hdel().Key(s.keys.node(e.Node)).Field(field).Build(),
		b.Hdel().Key(s.keys.user(e.UserID)).Field(field).Build())
}

// Disown implements store.Store.
func (s *Store) Disown(ctx context.Context, e store.Entry) error {
	return s.writeEntry(ctx, "disown", &e,
		s.client.B().Hdel().Key(s.keys.node(e.Node)).Field(entryField(&e)).Build())
}

func entryField(e *store.Entry) string { return e.ConnID + " " + e.Room }

var errSpace = errors.New("the connection's id has a space")

func (s *Store) writeEntry(ctx context.Context, what string, e *store.Entry, cmds ...rueidis.Completed) error {
	if strings.Contains(e.ConnID, " ") {
		return fmt.Errorf("%s member %q: %w", what, e.ConnID, errSpace)
	}
	res, err := s.pipe.doMany(ctx, cmds)
	for i := 0; err == nil && i < len(res); i++ {
		err = s.pipe.wrap(res[i].Error())
	}
	if err != nil {
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
