package redisstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/store"
	"github.com/redis/rueidis"
)

// A room is a hash: "m:" and a connId hold a member, "u:" and a userId the
// number of that user's members, "seq" and "born" where the room stands.
const memberField = "m:"

var errControl = errors.New("an id has a tab or a line break")

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, p store.Put) (store.PutResult, error) {
	m := &p.Member
	if !plain(m.ConnID) || !plain(m.UserID) || !plain(m.Owner) || !plain(string(m.Lost)) || !plain(p.From.Born) {
		return store.PutResult{}, fmt.Errorf("put member %q in room %q: %w", m.ConnID, p.Room, errControl)
	}
	msg, err := s.pipe.exec(ctx, &s.scripts.put, s.keys.room(p.Room), s.putArgs(&p))
	if err != nil {
		return store.PutResult{}, fmt.Errorf("put member %q in room %q: %w", m.ConnID, p.Room, err)
	}
	res, err := parsePut(&msg, &p)
	if err != nil {
		return store.PutResult{}, fmt.Errorf("put member in room %q: %w", p.Room, err)
	}
	return res, nil
}

// putArgs are the ARGV of put.lua.
func (s *Store) putArgs(p *store.Put) []string {
	a, m := newArgs(18), &p.Member
	a.text(s.keys.events(p.Room)).num(p.ExpiresMs).num(p.From.Seq).text(p.From.Born).mark()
	a.text(string(rune(p.Intent))).text(how(p)).num(p.Fence)
	a.text(m.ConnID).text(m.UserID).text(m.Owner).num(m.Epoch).num(m.Write)
	a.num(m.JoinedMs).num(m.GraceMs)
	a.buf = appendLoss(a.buf, m)
	a.end()
	a.buf = appendToken(a.buf, m.Token)
	a.end()
	if !p.KeepState || p.Intent == store.IntentRestore {
		a.buf = append(a.buf, m.State...)
	}
	return a.end().list()
}

// how is ARGV[7] of put.lua.
func how(p *store.Put) string {
	switch {
	case p.KeepState && p.Quiet:
		return "kq"
	case p.KeepState:
		return "k"
	case p.Quiet:
		return "q"
	}
	return ""
}

// removeArgs are the ARGV of remove.lua.
func (s *Store) removeArgs(r *store.Remove) []string {
	return newArgs(8).text(s.keys.events(r.Room)).num(r.ExpiresMs).num(r.From.Seq).text(r.From.Born).mark().
		text(r.ConnID).num(r.Epoch).text(string(r.Reason)).list()
}

func parsePut(msg *rueidis.RedisMessage, p *store.Put) (store.PutResult, error) {
	a, err := parseAnswer(msg)
	if err != nil {
		return store.PutResult{}, err
	}
	res := store.PutResult{Outcome: a.outcome, Position: a.Position, Reset: a.flag, NowMs: a.nowMs}
	if a.outcome == store.Applied || a.outcome == store.Repeated {
		res.UserConns = a.conns
	}
	if a.outcome == store.Expired || a.outcome == store.Missing {
		return res, nil
	}
	if res.Member, err = parseMember(p.Member.ConnID, a.value); err != nil {
		return res, err
	}
	if a.outcome == store.Applied && !p.KeepState {
		res.Member.State = bytes.Clone(p.Member.State)
	}
	return res, nil
}

// Remove implements store.Store.
func (s *Store) Remove(ctx context.Context, r store.Remove) (store.RemoveResult, error) {
	if !plain(r.ConnID) || !plain(string(r.Reason)) || !plain(r.From.Born) {
		return store.RemoveResult{}, fmt.Errorf("remove member %q from room %q: %w", r.ConnID, r.Room, errControl)
	}
	msg, err := s.pipe.exec(ctx, &s.scripts.remove, s.keys.room(r.Room),
		s.removeArgs(&r))
	if err != nil {
		return store.RemoveResult{}, fmt.Errorf("remove member %q from room %q: %w", r.ConnID, r.Room, err)
	}
	a, err := parseAnswer(&msg)
	if err != nil {
		return store.RemoveResult{}, fmt.Errorf("remove member %q from room %q: %w", r.ConnID, r.Room, err)
	}
	return store.RemoveResult{
		Outcome: a.outcome, Position: a.Position, NowMs: a.nowMs, UserConns: a.conns, Last: a.flag,
	}, nil
}

// answer is what the scripts of a room return.
type answer struct {
	outcome store.Outcome
	store.Position
	flag  bool // of a Put: reset; of a Remove: last
	nowMs int64
	conns int
	value string
}

func parseAnswer(msg *rueidis.RedisMessage) (answer, error) {
	s, err := msg.ToString()
	if err != nil {
		return answer{}, err
	}
	f, value, err := header(s)
	if err != nil {
		return answer{}, fmt.Errorf("answer of a script: %w", err)
	}
	a := answer{outcome: f.outcome(), value: value}
	a.Seq, a.Born = f.num(), f.text()
	a.flag, a.nowMs, a.conns = f.bit(), f.num(), int(f.num())
	if err := f.end(); err != nil {
		return answer{}, fmt.Errorf("answer of a script: %w", err)
	}
	return a, nil
}

func (f *fields) outcome() store.Outcome {
	switch f.text() {
	case "a":
		return store.Applied
	case "r":
		return store.Repeated
	case "f":
		return store.Fenced
	case "m":
		return store.Missing
	case "x":
		return store.Expired
	}
	f.err = errFields
	return 0
}

// timeScript reads the time where the key of a room lies.
const timeScript = `local t = redis.call('TIME') return string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))`

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string) (store.Room, error) {
	r, err := s.load(ctx, id)
	if err != nil { // with half a room nobody is served
		return store.Room{}, fmt.Errorf("load room %q: %w", id, err)
	}
	return r, nil
}

func (s *Store) load(ctx context.Context, id string) (r store.Room, err error) {
	key, b := s.keys.room(id), s.client.B()
	res, err := s.pipe.doMany(ctx, []rueidis.Completed{
		b.Hgetall().Key(key).Build(),
		b.Eval().Script(timeScript).Numkeys(1).Key(key).Build(),
	})
	if err != nil {
		return r, err
	}
	all, err := res[0].AsStrMap()
	if err != nil {
		return r, s.pipe.wrap(err)
	}
	if r.NowMs, err = res[1].AsInt64(); err != nil {
		return r, s.pipe.wrap(err)
	}
	return r, readRoom(&r, all)
}

// readRoom fills a room from its hash.
func readRoom(r *store.Room, all map[string]string) (err error) {
	if seq, ok := all["seq"]; ok {
		if r.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil {
			return fmt.Errorf("seq: %w", err)
		}
	}
	r.Born = all["born"]
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
		cmds[i] = b.Hmget().Key(s.keys.room(id)).Field("seq", "born").Build()
	}
	res, err := s.pipe.doMany(ctx, cmds)
	if err != nil {
		return nil, fmt.Errorf("read positions of %d rooms: %w", len(ids), err)
	}
	out := make([]store.Position, len(ids))
	for i := range res {
		f, err := res[i].ToArray()
		if err != nil {
			return nil, fmt.Errorf("read position of room %q: %w", ids[i], s.pipe.wrap(err))
		}
		if len(f) != 2 || f[0].IsNil() {
			continue
		}
		if out[i].Seq, err = f[0].AsInt64(); err != nil {
			return nil, fmt.Errorf("read position of room %q: %w", ids[i], err)
		}
		if out[i].Born, err = f[1].ToString(); err != nil && !rueidis.IsRedisNil(err) {
			return nil, fmt.Errorf("read position of room %q: %w", ids[i], err)
		}
	}
	return out, nil
}

func num(n int64) string { return strconv.FormatInt(n, 10) }
