package redisstore

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// ConnJoin implements store.Store.
func (s *Store) ConnJoin(ctx context.Context, c store.Conn) error {
	err := s.write(ctx, &s.scripts.connJoin, s.keys.conn, c.ConnID, c.ExpiresMs,
		c.UserID, c.Room, c.Node, num(c.Epoch), num(c.SeenMs), s.ttl)
	if err != nil {
		return fmt.Errorf("note connection %q in room %q: %w", c.ConnID, c.Room, err)
	}
	return nil
}

// ConnLeave implements store.Store.
func (s *Store) ConnLeave(ctx context.Context, c store.Conn) error {
	err := s.write(ctx, &s.scripts.connLeave, s.keys.conn, c.ConnID, c.ExpiresMs, c.Room, c.Node, num(c.Epoch))
	if err != nil {
		return fmt.Errorf("note connection %q out of room %q: %w", c.ConnID, c.Room, err)
	}
	return nil
}

// ConnRefresh implements store.Store.
func (s *Store) ConnRefresh(ctx context.Context, node string, seen []store.Seen) ([]string, error) {
	var missing []string
	for rest := seen; len(rest) > 0; {
		part := rest[:min(len(rest), batchSize)]
		rest = rest[len(part):]
		gone, err := s.refresh(ctx, node, part)
		if err != nil {
			return missing, fmt.Errorf("refresh %d connections: %w", len(seen), err)
		}
		missing = append(missing, gone...)
	}
	return missing, nil
}

func (s *Store) refresh(ctx context.Context, node string, seen []store.Seen) (missing []string, err error) {
	runs := make([]run, len(seen))
	for i, c := range seen {
		runs[i] = run{[]string{s.keys.conn(c.ConnID)}, []string{node, num(c.SeenMs), s.ttl}}
	}
	res, err := s.pipe.execMany(ctx, &s.scripts.connRefresh, runs)
	if err != nil {
		return nil, err
	}
	for i := range res {
		n, err := res[i].AsInt64()
		if err != nil {
			return missing, s.pipe.wrap(err)
		}
		if n == 0 {
			missing = append(missing, seen[i].ConnID)
		}
	}
	return missing, nil
}
