package memstore

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// user is where one user is.
type user struct {
	lives   map[store.Location]string
	expires time.Time
}

// user returns the entries of a user that are still there; expired ones are dropped.
func (d *data) user(userID string, now time.Time) *user {
	u := d.lives[userID]
	if u != nil && !now.Before(u.expires) {
		delete(d.lives, userID)
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
			s.lives[e.UserID] = u
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
			delete(s.lives, e.UserID)
		}
	})
}
