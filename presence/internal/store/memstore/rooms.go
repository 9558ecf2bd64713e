package memstore

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// rooms are the records of rooms, by id.
type rooms map[string]*room

type room struct {
	store.Position
	members map[string]store.Member
	users   map[string]int
}

// StartPut implements store.Store. The waiter is told before it returns.
func (s *Store) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	var res store.PutResult
	err := s.write(ctx, "put member", func(now time.Time) (ev *store.Event) {
		res, ev = s.rooms.put(p, now)
		return ev
	})
	w.PutDone(res, err)
}

// Enter implements store.Store.
func (s *Store) Enter(ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
	return store.Steps(ctx, s, q)
}

// Remove implements store.Store.
func (s *Store) Remove(ctx context.Context, r store.Remove) (res store.Outcome, err error) {
	err = s.write(ctx, "remove member", func(now time.Time) (ev *store.Event) {
		res, ev = s.rooms.remove(&r, now)
		return ev
	})
	return res, err
}

// write changes a room and delivers the event, if there is one. Events queue with the lock
// held, and so in seq order.
func (s *Store) write(ctx context.Context, what string, step func(now time.Time) *store.Event) error {
	var c *channel
	err := s.do(ctx, what, 0, func(now time.Time) {
		if ev := step(now); ev != nil {
			c = s.bridge.enqueue(ev.Room, delivery{event: ev})
		}
	})
	s.bridge.deliver(c)
	return err
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string) (store.Room, error) {
	return s.load(ctx, "load room", id, func(r *room) []store.Member {
		return slices.AppendSeq(make([]store.Member, 0, len(r.members)), maps.Values(r.members))
	})
}

// LoadMembers implements store.Store.
func (s *Store) LoadMembers(ctx context.Context, id string, connIDs []string) (store.Room, error) {
	return s.load(ctx, "load members", id, func(r *room) []store.Member { return r.some(connIDs) })
}

func (s *Store) load(ctx context.Context, what, id string, members func(r *room) []store.Member) (out store.Room, err error) {
	err = s.do(ctx, what, 0, func(time.Time) {
		if r := s.rooms[id]; r != nil {
			out = store.Room{Position: r.Position, Members: members(r)}
		}
	})
	return out, err
}

// some are those of the members that stand.
func (r *room) some(connIDs []string) (out []store.Member) {
	for _, connID := range connIDs {
		if m, ok := r.members[connID]; ok {
			out = append(out, m)
		}
	}
	return out
}

// Positions implements store.Store.
func (s *Store) Positions(ctx context.Context, ids []string) ([]store.Position, error) {
	out := make([]store.Position, len(ids))
	err := s.do(ctx, "read positions", 0, func(time.Time) {
		for i, id := range ids {
			if r := s.rooms[id]; r != nil {
				out[i] = r.Position
			}
		}
	})
	return out, err
}

func (rs rooms) put(p *store.Put, now time.Time) (res store.PutResult, ev *store.Event) {
	nowMs := now.UnixMilli()
	if p.ExpiresMs != 0 && nowMs > p.ExpiresMs {
		res.Outcome = store.Expired
		return res, nil
	}
	r := rs[p.Room]
	var stored store.Member
	var found bool
	if r != nil {
		res.Position = r.Position
		stored, found = r.members[p.Member.ConnID]
	}
	res.Outcome, res.Member = judge(&stored, found, p, nowMs), stored
	if res.Outcome != store.Applied {
		return res, nil
	}

	prev := res.Seq
	if r == nil {
		r = &room{members: make(map[string]store.Member), users: make(map[string]int)}
		rs[p.Room] = r
	}
	reset := r.advance(p.From, p.Quiet, now)
	res.Position = r.Position
	publish := !p.Quiet || reset
	res.Member = merge(&stored, found, p, nowMs)
	if publish {
		res.Member.Seq = r.Seq
	}
	conns := r.set(res.Member, stored.UserID, found)
	if publish {
		ev = &store.Event{
			Room: p.Room, Position: res.Position, Prev: prev, Reset: reset, Intent: p.Intent,
			AtMs: nowMs, UserConns: conns, Member: res.Member,
		}
	}
	return res, ev
}

// judge says what becomes of a Put; it is Applied when the write may go on.
func judge(stored *store.Member, found bool, p *store.Put, nowMs int64) store.Outcome {
	m, resume := &p.Member, p.Intent == store.IntentResume
	switch {
	case !found && (p.Intent == store.IntentRestore || p.Fence == 0 && !resume):
		return store.Applied
	case !found:
		return store.Missing
	case resume && (m.Token == store.Digest{} || m.Token != stored.Token || m.UserID != stored.UserID):
		// This comes before the check for a repeat: without the token, guessing an epoch
		// must reveal nothing.
		return store.Fenced
	case stored.Epoch == m.Epoch && stored.Owner == m.Owner && stored.Write >= m.Write:
		return store.Repeated
	case p.Fence == 0 || stored.Epoch != p.Fence:
		return store.Fenced
	case stored.Owner != m.Owner && (p.Intent == store.IntentJoin || p.Intent == store.IntentUpdate):
		return store.Fenced
	case resume && stored.UntilMs != 0 && stored.UntilMs <= nowMs:
		return store.Fenced
	}
	return store.Applied
}

// merge builds the member that shall stand.
func merge(stored *store.Member, found bool, p *store.Put, nowMs int64) store.Member {
	m := p.Member
	m.Seq = stored.Seq
	if p.Intent == store.IntentResume {
		m.Life, m.JoinedMs, m.Token, m.Newer = stored.Life, stored.JoinedMs, stored.Token, stored.Newer
		m.Write = max(stored.Write+1, m.Write)
	}
	if m.JoinedMs == 0 {
		m.JoinedMs = nowMs
	}
	m.Newer = cmp.Or(m.Newer, stored.Newer)
	if p.KeepState && found {
		m.State = stored.State
	} else {
		m.State = bytes.Clone(m.State)
	}
	return m
}

// advance moves the room to the position of its next write. It reports whether the record
// had to start again because it is not the one that the caller knows.
func (r *room) advance(from store.Position, quiet bool, now time.Time) (reset bool) {
	fresh := r.Born == ""
	reset = from.Born != "" && (r.Seq < from.Seq || r.Born != from.Born)
	switch {
	case fresh || reset:
		r.Position = store.Position{Seq: max(now.UnixMicro(), from.Seq+1, r.Seq+1), Born: mark()}
	case !quiet:
		r.Seq = max(r.Seq, from.Seq) + 1
	}
	return reset
}

// mark returns a new generation: it tells one record of a room from the next.
func mark() string { return strconv.FormatUint(rand.Uint64(), 36) }

// set writes a member, counts it for its user, and returns that count.
func (r *room) set(m store.Member, oldUser string, found bool) int {
	if found && oldUser != m.UserID {
		r.uncount(oldUser)
	}
	if !found || oldUser != m.UserID {
		r.users[m.UserID]++
	}
	r.members[m.ConnID] = m
	return r.users[m.UserID]
}

func (r *room) uncount(user string) int {
	r.users[user]--
	n := r.users[user]
	if n == 0 {
		delete(r.users, user)
	}
	return n
}

func (rs rooms) remove(q *store.Remove, now time.Time) (store.Outcome, *store.Event) {
	if q.ExpiresMs != 0 && now.UnixMilli() > q.ExpiresMs {
		return store.Expired, nil
	}
	r := rs[q.Room]
	if r == nil {
		return store.Missing, nil
	}
	m, found := r.members[q.ConnID]
	if !found {
		return store.Missing, nil
	}
	if q.Epoch != 0 && m.Epoch != q.Epoch || q.Owner != "" && m.Owner != q.Owner || q.Life != "" && m.Life != q.Life {
		return store.Fenced, nil
	}
	r.Seq++
	delete(r.members, q.ConnID)
	conns := r.uncount(m.UserID)
	if len(r.members) == 0 {
		delete(rs, q.Room)
	}
	return store.Applied, &store.Event{
		Room: q.Room, Position: r.Position, Prev: r.Seq - 1, Intent: store.IntentLeave,
		AtMs: now.UnixMilli(), UserConns: conns, Reason: q.Reason,
		Member: store.Member{
			ConnID: m.ConnID, UserID: m.UserID, Owner: m.Owner, Epoch: m.Epoch, Life: m.Life, JoinedMs: m.JoinedMs,
		},
	}
}
