package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
	"github.com/redis/rueidis"
)

var errControl = errors.New("an id has a tab or a line break")

// Remove implements store.Store.
func (s *Store) Remove(ctx context.Context, r store.Remove) (store.Outcome, error) {
	res, err := s.remove(ctx, &r)
	if err != nil {
		return 0, fmt.Errorf("remove member %q from room %q: %w", r.ConnID, r.Room, err)
	}
	return res, nil
}

func (s *Store) remove(ctx context.Context, r *store.Remove) (store.Outcome, error) {
	if !record.Plain(r.ConnID) || !record.Plain(string(r.Reason)) || !record.Plain(r.Owner) || !record.Plain(r.Life) {
		return 0, errControl
	}
	var list [record.MaxArgs]string
	all := s.removeArgs(list[:0], r)
	text, err := s.pipe.Text(ctx, &s.publishing.Load().remove, pipeline.Run{Keys: all[:1], Args: all[1:]})
	if err != nil {
		return 0, err
	}
	f := record.Fields{Rest: text}
	if res := f.Outcome(); f.Err == nil {
		return res, nil
	}
	return 0, record.ErrAnswer
}

// removeArgs are KEYS and ARGV of remove.lua.
func (s *Store) removeArgs(dst []string, r *store.Remove) []string {
	a := record.NewArgs(192 + len(r.Room) + len(r.ConnID))
	a.Buf = s.keys.AppendRoom(a.Buf, r.Room)
	a.End().Member(s.expires(r.ExpiresMs, s.keys.Room, r.Room), r.ConnID)
	a.Text("-").Num(r.Epoch).From(store.Position{}).Text(string(r.Reason)).Text(r.Owner).Text(r.Life)
	return a.List(dst)
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string) (r store.Room, err error) {
	msg, err := s.pipe.Do(ctx, s.client.B().Hgetall().Key(s.keys.Room(id)).Build())
	if err == nil {
		var all map[string]string
		if all, err = msg.AsStrMap(); err == nil {
			err = readRoom(&r, all)
		}
	}
	if err != nil { // a part of a room must not be shown
		return store.Room{}, fmt.Errorf("load room %q: %w", id, err)
	}
	return r, nil
}

// LoadMembers implements store.Store.
func (s *Store) LoadMembers(ctx context.Context, id string, connIDs []string) (r store.Room, err error) {
	fields := append(make([]string, 0, 1+len(connIDs)), record.AtField)
	for _, connID := range connIDs {
		fields = append(fields, record.MemberField+connID)
	}
	key := s.keys.Room(id)
	msg, err := s.pipe.Do(ctx, s.client.B().Hmget().Key(key).Field(fields...).Build())
	if err == nil {
		err = readMembers(&r, fields, &msg)
	}
	if err != nil {
		return store.Room{}, fmt.Errorf("load %d members of room %q: %w", len(connIDs), id, err)
	}
	return r, nil
}

// readMembers fills a room from some fields of its hash.
func readMembers(r *store.Room, fields []string, msg *rueidis.RedisMessage) error {
	values, err := msg.ToArray()
	if err != nil || len(values) != len(fields) {
		return errors.Join(err, record.ErrFields)
	}
	for i, field := range fields {
		if values[i].IsNil() {
			continue
		}
		text, err := values[i].ToString()
		if err == nil {
			err = readField(r, field, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readRoom fills a room from its hash.
func readRoom(r *store.Room, all map[string]string) error {
	for field, value := range all {
		if err := readField(r, field, value); err != nil {
			return err
		}
	}
	return nil
}

// readField reads a field of a room's hash. Fields that a load does not return are skipped.
func readField(r *store.Room, field, value string) (err error) {
	if field == record.AtField {
		if r.Position, err = record.ParsePosition(value); err != nil {
			return fmt.Errorf("position %q: %w", value, err)
		}
		return nil
	}
	connID, ok := strings.CutPrefix(field, record.MemberField)
	if !ok {
		return nil
	}
	m, err := record.ParseMember(connID, value)
	if err != nil {
		return err
	}
	r.Members = append(r.Members, m)
	return nil
}

// Positions implements store.Store.
func (s *Store) Positions(ctx context.Context, ids []string) ([]store.Position, error) {
	b := s.client.B()
	cmds := make([]rueidis.Completed, len(ids))
	for i, id := range ids {
		cmds[i] = b.Hget().Key(s.keys.Room(id)).Field(record.AtField).Build()
	}
	res, err := s.pipe.DoMany(ctx, cmds)
	if err != nil {
		return nil, fmt.Errorf("read positions of %d rooms: %w", len(ids), err)
	}
	out := make([]store.Position, len(ids))
	for i := range res {
		at, err := res[i].ToString()
		if rueidis.IsRedisNil(err) {
			continue
		}
		if err == nil {
			out[i], err = record.ParsePosition(at)
		}
		if err != nil {
			return nil, fmt.Errorf("read position of room %q: %w", ids[i], s.pipe.Wrap(err))
		}
	}
	return out, nil
}
