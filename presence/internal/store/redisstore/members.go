package redisstore

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// LoadMembers implements store.Store.
func (s *Store) LoadMembers(ctx context.Context, id string, connIDs []string) (store.Room, error) {
	r, err := s.loadMembers(ctx, id, connIDs)
	if err != nil {
		return store.Room{}, fmt.Errorf("load %d members of room %q: %w", len(connIDs), id, err)
	}
	return r, nil
}

func (s *Store) loadMembers(ctx context.Context, id string, connIDs []string) (r store.Room, err error) {
	key := s.keys.room(id)
	fields := append(make([]string, 0, 1+len(connIDs)), atField)
	for _, connID := range connIDs {
		fields = append(fields, memberField+connID)
	}
	res, now, err := s.readAt(ctx, key, s.client.B().Hmget().Key(key).Field(fields...).Build())
	if err != nil {
		return r, err
	}
	r.NowMs = now
	values, err := res.ToArray()
	if err != nil || values[0].IsNil() {
		return r, s.pipe.wrap(err)
	}
	at, err := values[0].ToString()
	if err != nil {
		return r, s.pipe.wrap(err)
	}
	if r.Position, err = parsePosition(at); err != nil {
		return r, fmt.Errorf("position %q: %w", at, err)
	}
	for i, connID := range connIDs {
		if values[1+i].IsNil() {
			continue
		}
		text, err := values[1+i].ToString()
		if err != nil {
			return r, s.pipe.wrap(err)
		}
		m, err := parseMember(connID, text)
		if err != nil {
			return r, err
		}
		r.Members = append(r.Members, m)
	}
	return r, nil
}
