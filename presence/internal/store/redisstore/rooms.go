package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

// A room is a hash: "m:" and a connId hold a member, "u:" and a userId the
// number of that user's members, "at" where the room stands.
const (
	atField      = "at"
	memberField  = "m:"
	counterField = "u:"
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
	if !plain(r.ConnID) || !plain(string(r.Reason)) || !plain(r.Owner) || !plain(r.Life) {
		return 0, errControl
	}
	var list [maxArgs]string
	all := s.removeArgs(list[:0], r)
	text, err := s.pipe.text(ctx, &s.publishing.Load().remove, run{all[:1], all[1:]})
	if err != nil {
		return 0, err
	}
	f := fields{rest: text}
	if res := f.outcome(); f.err == nil {
		return res, nil
	}
	return 0, errAnswer
}

// removeArgs are KEYS and ARGV of remove.lua.
func (s *Store) removeArgs(dst []string, r *store.Remove) []string {
	a := newArgs(192 + len(r.Room) + len(r.ConnID))
	a.buf = s.keys.appendRoom(a.buf, r.Room)
	a.end().member(s.expires(r.ExpiresMs, s.keys.room, r.Room), r.ConnID)
	a.text("-").num(r.Epoch).from(store.Position{}).text(string(r.Reason)).text(r.Owner).text(r.Life)
	return a.list(dst)
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string) (r store.Room, err error) {
	msg, err := s.pipe.do(ctx, s.client.B().Hgetall().Key(s.keys.room(id)).Build())
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
	fields := append(make([]string, 0, 1+len(connIDs)), atField)
	for _, connID := range connIDs {
		fields = append(fields, memberField+connID)
	}
	key := s.keys.room(id)
	msg, err := s.pipe.do(ctx, s.client.B().Hmget().Key(key).Field(fields...).Build())
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
		return errors.Join(err, errFields)
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
	if field == atField {
		if r.Position, err = parsePosition(value); err != nil {
			return fmt.Errorf("position %q: %w", value, err)
		}
		return nil
	}
	connID, ok := strings.CutPrefix(field, memberField)
	if !ok {
		return nil
	}
	m, err := parseMember(connID, value)
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
		cmds[i] = b.Hget().Key(s.keys.room(id)).Field(atField).Build()
	}
	res, err := s.pipe.doMany(ctx, cmds)
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
			out[i], err = parsePosition(at)
		}
		if err != nil {
			return nil, fmt.Errorf("read position of room %q: %w", ids[i], s.pipe.wrap(err))
		}
	}
	return out, nil
}
