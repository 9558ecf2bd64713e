package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Where a user is lies in a hash with a field per member: its connId and its room,
// separated by a space. The value is the life.

// userTTL is store.UserTTL as scripts want it.
var userTTL = num(store.UserTTL.Milliseconds())

// AddUser implements store.Store.
func (s *Store) AddUser(ctx context.Context, u store.UserEntry) error {
	return s.writeUser(ctx, "add", &s.scripts.userAdd, &u, userTTL)
}

// RemoveUser implements store.Store.
func (s *Store) RemoveUser(ctx context.Context, u store.UserEntry) error {
	return s.writeUser(ctx, "remove", &s.scripts.userRemove, &u)
}

func (s *Store) writeUser(ctx context.Context, what string, with *script, u *store.UserEntry, more ...string) error {
	err := errSpace
	if !strings.Contains(u.ConnID, " ") {
		args := []string{expiry(s.expires(u.ExpiresMs, s.keys.user, u.UserID)), u.ConnID + " " + u.Room, u.Life}
		err = s.pipe.write(ctx, with, run{[]string{s.keys.user(u.UserID)}, append(args, more...)})
	}
	if err != nil {
		return fmt.Errorf("%s entry of user %q: member %q of room %q: %w", what, u.UserID, u.ConnID, u.Room, err)
	}
	return nil
}
