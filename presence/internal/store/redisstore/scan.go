package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
	"github.com/redis/rueidis"
)

// scanCount bounds what one command reads of a hash or set: some ten thousand elements
// at once would hold up all callers for tens of milliseconds.
const scanCount = 256

// page runs SSCAN or HSCAN once. The cursor is that of Redis, but "" in place of 0, which
// both begins and ends.
func (s *Store) page(ctx context.Context, cursor string, limit int, scan func(cursor uint64, count int64) rueidis.Completed) (list []string, next string, err error) {
	var at uint64
	if cursor != "" {
		if at, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return nil, "", err
		}
	}
	msg, err := s.pipe.Do(ctx, scan(at, int64(min(max(limit, 1), scanCount))))
	if err != nil {
		return nil, "", err
	}
	entry, err := msg.AsScanEntry()
	if err == nil && entry.Cursor != 0 {
		next = strconv.FormatUint(entry.Cursor, 10)
	}
	return entry.Elements, next, err
}

// ScanMembers implements store.Store.
func (s *Store) ScanMembers(ctx context.Context, room, cursor string, limit int) ([]store.Member, string, error) {
	list, next, err := s.page(ctx, cursor, limit, func(cursor uint64, count int64) rueidis.Completed {
		return s.client.B().Hscan().Key(s.keys.Room(room)).Cursor(cursor).Match(record.MemberField + "*").Count(count).Build()
	})
	if err != nil {
		return nil, "", fmt.Errorf("scan members of room %q: %w", room, err)
	}
	members := make([]store.Member, 0, len(list)/2)
	for ; len(list) >= 2; list = list[2:] {
		m, err := record.ParseMember(strings.TrimPrefix(list[0], record.MemberField), list[1])
		if err != nil { // it must not keep the others from being read
			s.log.Warn("record of a member not understood, skipped; was it written by another version?", "room", room, "error", err)
			continue
		}
		members = append(members, m)
	}
	return members, next, nil
}

// NodeRooms implements store.Store.
func (s *Store) NodeRooms(ctx context.Context, node, cursor string, limit int) ([]string, string, error) {
	list, next, err := s.page(ctx, cursor, limit, func(cursor uint64, count int64) rueidis.Completed {
		return s.client.B().Sscan().Key(s.keys.NodeRooms(node)).Cursor(cursor).Count(count).Build()
	})
	if err != nil {
		return nil, "", fmt.Errorf("read rooms of node %q: %w", node, err)
	}
	return list, next, nil
}

// AddRoom implements store.Store.
func (s *Store) AddRoom(ctx context.Context, n store.NodeRoom) error {
	return s.writeRoom(ctx, "add", "SADD", &n)
}

// RemoveRoom implements store.Store.
func (s *Store) RemoveRoom(ctx context.Context, n store.NodeRoom) error {
	return s.writeRoom(ctx, "remove", "SREM", &n)
}

func (s *Store) writeRoom(ctx context.Context, what, command string, n *store.NodeRoom) error {
	if err := s.write(ctx, &s.scripts.nodeRoom, s.keys.NodeRooms, n.Node, n.ExpiresMs, command, n.Room); err != nil {
		return fmt.Errorf("%s room %q of node %q: %w", what, n.Room, n.Node, err)
	}
	return nil
}
