package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// ConnJoin implements store.Store.
func (s *Store) ConnJoin(ctx context.Context, c store.Conn) error {
	_, err := s.pipe.exec(ctx, &s.scripts.connJoin, s.keys.conn(c.ConnID),
		[]string{c.UserID, c.Room, c.Node, num(c.Epoch), num(c.SeenMs), s.ttl})
	if err != nil {
		return fmt.Errorf("note connection %q in room %q: %w", c.ConnID, c.Room, err)
	}
	return nil
}

// ConnLeave implements store.Store.
func (s *Store) ConnLeave(ctx context.Context, c store.Conn) error {
	_, err := s.pipe.exec(ctx, &s.scripts.connLeave, s.keys.conn(c.ConnID),
		[]string{c.Room, c.Node, num(c.Epoch)})
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
		runs[i] = run{s.keys.conn(c.ConnID), []string{node, num(c.SeenMs), s.ttl}}
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

// Beat implements store.Store.
func (s *Store) Beat(ctx context.Context, node string) (store.Beat, error) {
	msg, err := s.pipe.exec(ctx, &s.scripts.beat, s.keys.nodes(), []string{node})
	if err != nil {
		return store.Beat{}, fmt.Errorf("beat: %w", err)
	}
	text, err := msg.ToString()
	if err != nil {
		return store.Beat{}, fmt.Errorf("beat: %w", err)
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return store.Beat{}, fmt.Errorf("beat: %w", err)
	}
	return store.Beat{NowMs: ms}, nil
}

// Retire implements store.Store.
func (s *Store) Retire(ctx context.Context, node string) error {
	if _, err := s.pipe.do(ctx, s.client.B().Zrem().Key(s.keys.nodes()).Member(node).Build()); err != nil {
		return fmt.Errorf("retire node: %w", err)
	}
	return nil
}
