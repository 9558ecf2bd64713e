package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
)

// Where a user is lies in a hash with a field per member: its connId and its room,
// separated by a space. The value is the life.

// userTTL is store.UserTTL as scripts want it.
var userTTL = record.Num(store.UserTTL.Milliseconds())

// AddUser implements store.Store.
func (s *Store) AddUser(ctx context.Context, u store.UserEntry) error {
	return s.writeUser(ctx, "add", &s.scripts.userAdd, &u, userTTL)
}

// RemoveUser implements store.Store.
func (s *Store) RemoveUser(ctx context.Context, u store.UserEntry) error {
	return s.writeUser(ctx, "remove", &s.scripts.userRemove, &u)
}

var errSpace = errors.New("the connection's id has a space")

func (s *Store) writeUser(ctx context.Context, what string, with *pipeline.Script, u *store.UserEntry, more ...string) error {
	err := errSpace
	if !strings.Contains(u.ConnID, " ") {
		args := append([]string{u.ConnID + " " + u.Room, u.Life}, more...)
		err = s.write(ctx, with, s.keys.User, u.UserID, u.ExpiresMs, args...)
	}
	if err != nil {
		return fmt.Errorf("%s entry of user %q: member %q of room %q: %w", what, u.UserID, u.ConnID, u.Room, err)
	}
	return nil
}

// UserMembers implements store.Store.
func (s *Store) UserMembers(ctx context.Context, userID string) ([]store.Location, error) {
	msg, err := s.pipe.Do(ctx, s.client.B().Hkeys().Key(s.keys.User(userID)).Build())
	var list []string
	if err == nil {
		list, err = msg.AsStrSlice()
	}
	if err != nil {
		return nil, fmt.Errorf("read user %q: %w", userID, err)
	}
	out := make([]store.Location, len(list))
	for i, field := range list {
		out[i].ConnID, out[i].Room, _ = strings.Cut(field, " ")
	}
	return out, nil
}
