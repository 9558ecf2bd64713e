package redisstore

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
)

// ConnJoin implements store.Store.
func (s *Store) ConnJoin(ctx context.Context, c store.Conn) error {
	err := s.write(ctx, &s.scripts.connJoin, s.keys.Conn, c.ConnID, c.ExpiresMs,
		c.UserID, c.Room, c.Node, record.Num(c.Epoch), record.Num(c.SeenMs), s.ttl)
	if err != nil {
		return fmt.Errorf("note connection %q in room %q: %w", c.ConnID, c.Room, err)
	}
	return nil
}

// ConnLeave implements store.Store.
func (s *Store) ConnLeave(ctx context.Context, c store.Conn) error {
	err := s.write(ctx, &s.scripts.connLeave, s.keys.Conn, c.ConnID, c.ExpiresMs, c.Room, c.Node, record.Num(c.Epoch))
	if err != nil {
		return fmt.Errorf("note connection %q out of room %q: %w", c.ConnID, c.Room, err)
	}
	return nil
}

// ConnRefresh implements store.Store.
func (s *Store) ConnRefresh(ctx context.Context, node string, seen []store.Seen) ([]string, error) {
	var missing []string
	for rest := seen; len(rest) > 0; {
		part := rest[:min(len(rest), pipeline.BatchSize)]
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
	runs := make([]pipeline.Run, len(seen))
	for i, c := range seen {
		runs[i] = pipeline.Run{Keys: []string{s.keys.Conn(c.ConnID)}, Args: []string{node, record.Num(c.SeenMs), s.ttl}}
	}
	res, err := s.pipe.ExecMany(ctx, &s.scripts.connRefresh, runs)
	if err != nil {
		return nil, err
	}
	for i := range res {
		n, err := res[i].AsInt64()
		if err != nil {
			return missing, s.pipe.Wrap(err)
		}
		if n == 0 {
			missing = append(missing, seen[i].ConnID)
		}
	}
	return missing, nil
}
