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
func (s *Store) Remove(ctx context.Context, r store.Remove) (store.RemoveResult, error) {
	res, err := s.remove(ctx, &r)
	if err != nil {
		return store.RemoveResult{}, fmt.Errorf("remove member %q from room %q: %w", r.ConnID, r.Room, err)
	}
	return res, nil
}

func (s *Store) remove(ctx context.Context, r *store.Remove) (store.RemoveResult, error) {
	if !plain(r.ConnID) || !plain(string(r.Reason)) || !plain(r.From.Born) || !plain(r.Owner) || !plain(r.Life) {
		return store.RemoveResult{}, errControl
	}
	var list [maxArgs]string
	all := s.removeArgs(list[:0], r)
	msg, err := s.pipe.exec(ctx, &s.publishing.Load().remove, run{all[:1], all[1:]})
	if err != nil {
		return store.RemoveResult{}, err
	}
	text, err := msg.ToString()
	if err != nil {
		return store.RemoveResult{}, err
	}
	var a answer
	if err := a.read(r.Room, text); err != nil {
		return store.RemoveResult{}, err
	}
	return store.RemoveResult{Outcome: a.outcome, Position: a.Position, NowMs: a.AtMs, UserConns: a.UserConns}, nil
}

// removeArgs are KEYS and ARGV of remove.lua.
func (s *Store) removeArgs(dst []string, r *store.Remove) []string {
	a := newArgs(192 + len(r.Room) + len(r.ConnID))
	a.buf = s.keys.appendRoom(a.buf, r.Room)
	a.end().member(s.expires(r.ExpiresMs, s.keys.room, r.Room), r.ConnID)
	a.text("-").num(r.Epoch).from(r.From).text(string(r.Reason)).text(r.Owner).text(r.Life)
	return a.list(dst)
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string) (store.Room, error) {
	r, err := s.load(ctx, id)
	if err != nil { // with half a room nobody is served
		return store.Room{}, fmt.Errorf("load room %q: %w", id, err)
	}
	return r, nil
}

func (s *Store) load(ctx context.Context, id string) (r store.Room, err error) {
	key := s.keys.room(id)
	res, now, err := s.readAt(ctx, key, s.client.B().Hgetall().Key(key).Build())
	if err != nil {
		return r, err
	}
	r.NowMs = now
	all, err := res.AsStrMap()
	if err != nil {
		return r, s.pipe.wrap(err)
	}
	return r, readRoom(&r, all)
}

// readAt sends a command that reads a key, and reads the time where that lies.
func (s *Store) readAt(ctx context.Context, key string, cmd rueidis.Completed) (res rueidis.RedisResult, nowMs int64, err error) {
	if !s.cluster {
		return s.readNow(ctx, cmd)
	}
	time := run{keys: []string{key}}
	both, err := s.pipe.doMany(ctx, []rueidis.Completed{cmd, s.scripts.time.bySha(s.client.B(), time)})
	if err != nil {
		return res, 0, err
	}
	now, err := both[1].ToMessage()
	if isNoScript(err) {
		now, err = s.pipe.do(ctx, s.scripts.time.byText(s.client.B(), time))
	}
	if err == nil {
		nowMs, err = now.AsInt64()
	}
	return both[0], nowMs, s.pipe.wrap(err)
}

// readNow is readAt where all keys lie together: a script costs more.
func (s *Store) readNow(ctx context.Context, cmd rueidis.Completed) (res rueidis.RedisResult, nowMs int64, err error) {
	both, err := s.pipe.doMany(ctx, []rueidis.Completed{cmd, s.client.B().Time().Build()})
	if err != nil {
		return res, 0, err
	}
	now, err := both[1].AsIntSlice()
	if err == nil && len(now) != 2 {
		err = errAnswer
	}
	if err == nil {
		nowMs = now[0]*1000 + now[1]/1000
	}
	return both[0], nowMs, s.pipe.wrap(err)
}

// readRoom fills a room from its hash.
func readRoom(r *store.Room, all map[string]string) (err error) {
	if at, ok := all[atField]; ok {
		if r.Position, err = parsePosition(at); err != nil {
			return fmt.Errorf("position %q: %w", at, err)
		}
	}
	for field, value := range all {
		connID, ok := strings.CutPrefix(field, memberField)
		if !ok {
			continue
		}
		m, err := parseMember(connID, value)
		if err != nil {
			return err
		}
		r.Members = append(r.Members, m)
	}
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
