package memstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// user is where one user is, with the life of each member.
type user struct {
	lives   map[store.Location]string
	expires time.Time
}

// user returns the entries of a user that are still there; expired ones are dropped.
func (d *data) user(userID string, now time.Time) *user {
	u := d.users[userID]
	if u != nil && !now.Before(u.expires) {
		delete(d.users, userID)
		return nil
	}
	return u
}

// AddUser implements store.Store.
func (s *Store) AddUser(ctx context.Context, e store.UserEntry) error {
	return s.do(ctx, "add entry of user", e.ExpiresMs, func(now time.Time) {
		u := s.user(e.UserID, now)
		if u == nil {
			u = &user{lives: make(map[store.Location]string)}
			s.users[e.UserID] = u
		}
		u.lives[store.Location{Room: e.Room, ConnID: e.ConnID}] = e.Life
		u.expires = now.Add(store.UserTTL)
	})
}

// RemoveUser implements store.Store.
func (s *Store) RemoveUser(ctx context.Context, e store.UserEntry) error {
	return s.do(ctx, "remove entry of user", e.ExpiresMs, func(now time.Time) {
		u, at := s.user(e.UserID, now), store.Location{Room: e.Room, ConnID: e.ConnID}
		if u == nil {
			return
		}
		if life, ok := u.lives[at]; ok && life == e.Life {
			delete(u.lives, at)
		}
		if len(u.lives) == 0 {
			delete(s.users, e.UserID)
		}
	})
}

// UserMembers implements store.Store.
func (s *Store) UserMembers(ctx context.Context, userID string) (out []store.Location, err error) {
	err = s.do(ctx, "read user", 0, func(now time.Time) {
		if u := s.user(userID, now); u != nil {
			out = slices.Collect(maps.Keys(u.lives))
		}
	})
	return out, err
}
