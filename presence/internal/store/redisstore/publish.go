package redisstore

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
)

// Subscribe implements store.Store.
func (s *Store) Subscribe(ctx context.Context, room string, r store.Receiver) (store.Subscription, error) {
	sub, err := s.bridge.Subscribe(ctx, s.keys.Channel(room), room, r)
	if err != nil {
		return nil, fmt.Errorf("subscribe to room %q: %w", room, err)
	}
	return sub, nil
}

// SubscribeNodes implements store.Store.
func (s *Store) SubscribeNodes(ctx context.Context, r store.Receiver) (store.Subscription, error) {
	sub, err := s.bridge.Subscribe(ctx, s.keys.NodesEvents(), "", r)
	if err != nil {
		return nil, fmt.Errorf("subscribe to all nodes: %w", err)
	}
	return sub, nil
}

// Publish implements store.Store.
func (s *Store) Publish(ctx context.Context, room string, payload []byte) error {
	if err := s.cast(ctx, s.keys.Channel(room), payload); err != nil {
		return fmt.Errorf("publish to room %q: %w", room, err)
	}
	return nil
}

// PublishNodes implements store.Store.
func (s *Store) PublishNodes(ctx context.Context, payload []byte) error {
	if err := s.cast(ctx, s.keys.NodesEvents(), payload); err != nil {
		return fmt.Errorf("publish to all nodes: %w", err)
	}
	return nil
}

func (s *Store) cast(ctx context.Context, channel string, payload []byte) error {
	// The text is a copy: it may still wait to be sent when the caller has left.
	_, err := s.pipe.Command(ctx, s.publishing.Load().command, channel, record.CastText(s.ahead, payload))
	return err
}
