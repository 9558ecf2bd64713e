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

// rooms are the records that say who is a member.
type rooms map[string]*room

type room struct {
	store.Position
	members map[string]store.Member
	users   map[string]int
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, p store.Put) (res store.PutResult, err error) {
	var c *channel
	err = s.do(ctx, "put member", 0, func(now time.Time) {
		var ev *store.Event
		res, ev = s.rooms.put(&p, now)
		c = s.enqueue(ev)
	})
	s.bridge.deliver(c)
	return res, err
}

// Enter implements store.Store.
func (s *Store) Enter(ctx context.Context, p store.Put, seenMs int64) (store.PutResult, error) {
	return store.Steps(ctx, s, p, seenMs)
}

// Remove implements store.Store.
func (s *Store) Remove(ctx context.Context, r store.Remove) (res store.RemoveResult, err error) {
	var c *channel
	err = s.do(ctx, "remove member", 0, func(now time.Time) {
		var ev *store.Event
		res, ev = s.rooms.remove(&r, now)
		c = s.enqueue(ev)
	})
	s.bridge.deliver(c)
	return res, err
}

// enqueue is called with the lock held, so that events queue in seq order.
func (s *Store) enqueue(ev *store.Event) *channel {
	if ev == nil {
		return nil
	}
	return s.bridge.enqueue(ev.Room, delivery{event: ev})
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string) (out store.Room, err error) {
	err = s.do(ctx, "load room", 0, func(time.Time) {
		if r := s.rooms[id]; r != nil {
			members := make([]store.Member, 0, len(r.members))
			out = store.Room{Position: r.Position, Members: slices.AppendSeq(members, maps.Values(r.members))}
		}
	})
	return out, err
}

// LoadMembers implements store.Store.
func (s *Store) LoadMembers(ctx context.Context, id string, connIDs []string) (out store.Room, err error) {
	err = s.do(ctx, "load members", 0, func(time.Time) {
		r := s.rooms[id]
		if r == nil {
			return
		}
		out.Position = r.Position
		for _, connID := range connIDs {
			if m, ok := r.members[connID]; ok {
				out.Members = append(out.Members, m)
			}
		}
	})
	return out, err
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

func (rs rooms) put(p *store.Put, now time.Time) (store.PutResult, *store.Event) {
	res := store.PutResult{NowMs: now.UnixMilli()}
	if p.ExpiresMs != 0 && res.NowMs > p.ExpiresMs {
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
	res.Outcome, res.Member = judge(&stored, found, p, res.NowMs), stored
	switch res.Outcome {
	case store.Repeated:
		res.UserConns = r.users[stored.UserID]
		return res, nil
	case store.Applied:
	default:
		return res, nil
	}

	prev := res.Seq
	if r == nil {
		r = &room{members: make(map[string]store.Member), users: make(map[string]int)}
		rs[p.Room] = r
	}
	res.Reset = r.advance(p.From, p.Quiet, now)
	res.Position = r.Position
	publish := !p.Quiet || res.Reset
	res.Member = merge(&stored, found, p, res.NowMs)
	if publish {
		res.Member.Seq = r.Seq
	}
	res.UserConns = r.set(res.Member, stored.UserID, found)
	if !publish {
		return res, nil
	}
	return res, &store.Event{
		Room: p.Room, Position: res.Position, Prev: prev, Reset: res.Reset, Intent: p.Intent,
		AtMs: res.NowMs, UserConns: res.UserConns, Member: res.Member,
	}
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
		// Before the question of a repeat: whoever lacks the token learns
		// nothing from guessing an epoch.
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

// advance moves the room to the position of its next write, and says whether
// the record had to begin anew because it is not the one that the caller knew.
func (r *room) advance(from store.Position, quiet bool, now time.Time) (reset bool) {
	fresh := r.Born == ""
	reset = from.Born != "" && (r.Seq < from.Seq || r.Born != from.Born)
	switch {
	case fresh || reset:
		r.Position = store.Position{Seq: max(now.UnixMicro(), from.Seq+1, r.Seq+1), Born: mark()}
	case !quiet:
		r.Seq++
	}
	return reset
}

// mark tells one life of a room's record from another.
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

func (rs rooms) remove(q *store.Remove, now time.Time) (store.RemoveResult, *store.Event) {
	res := store.RemoveResult{NowMs: now.UnixMilli()}
	if q.ExpiresMs != 0 && res.NowMs > q.ExpiresMs {
		res.Outcome = store.Expired
		return res, nil
	}
	r := rs[q.Room]
	if r == nil {
		res.Outcome = store.Missing
		return res, nil
	}
	res.Position = r.Position
	m, found := r.members[q.ConnID]
	if !found {
		res.Outcome = store.Missing
		return res, nil
	}
	if m.Epoch != q.Epoch || q.Owner != "" && m.Owner != q.Owner || q.Life != "" && m.Life != q.Life {
		res.Outcome = store.Fenced
		return res, nil
	}
	prev := r.Seq
	reset := r.advance(q.From, false, now)
	res.Outcome, res.Position = store.Applied, r.Position
	delete(r.members, q.ConnID)
	res.UserConns = r.uncount(m.UserID)
	if len(r.members) == 0 {
		delete(rs, q.Room)
	}
	return res, &store.Event{
		Room: q.Room, Position: res.Position, Prev: prev, Reset: reset, Intent: store.IntentLeave,
		AtMs: res.NowMs, UserConns: res.UserConns, Reason: q.Reason,
		Member: store.Member{
			ConnID: m.ConnID, UserID: m.UserID, Owner: m.Owner, Epoch: m.Epoch, Life: m.Life, JoinedMs: m.JoinedMs,
		},
	}
}
