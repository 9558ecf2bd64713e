package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

type claim struct {
	by   string
	ends time.Time
}

// Beat implements store.Store.
func (s *Store) Beat(ctx context.Context, b store.BeatRequest) (out store.Beat, err error) {
	err = s.do(ctx, "beat", b.ExpiresMs, func(at time.Time) {
		now := at.UnixMilli()
		own, known := s.signs[b.Node]
		if own < 0 {
			out = store.Beat{NowMs: now, Status: store.BeatReaped}
			return
		}
		out = store.Beat{NowMs: now, Status: store.BeatNew}
		if !known && b.Known {
			return
		}
		s.signs[b.Node] = now
		if known {
			out.Status = store.BeatRenewed
			if b.Judge && now-own <= store.MaxJudgeGap.Milliseconds() {
				s.judge(now, b.LeaseMs)
			}
		}
		out.Dead = s.dead(now)
	})
	return out, err
}

// judge marks nodes dead whose life sign is older than the lease.
func (d *data) judge(now, leaseMs int64) {
	marked := 0
	for id, sign := range d.signs {
		if sign >= 0 && sign < now-leaseMs && marked < store.MaxDead {
			d.signs[id] = -now
			marked++
		}
	}
}

// dead drops marks that are too old, and lists the others, the last first.
func (d *data) dead(now int64) []string {
	var ids []string
	for id, sign := range d.signs {
		switch {
		case sign >= 0:
		case -sign < now-store.MarkTime.Milliseconds():
			delete(d.signs, id)
		default:
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(d.signs[a], d.signs[b]), cmp.Compare(a, b))
	})
	return ids[:min(len(ids), store.MaxDead)]
}

// MarkDead implements store.Store.
func (s *Store) MarkDead(ctx context.Context, node string) error {
	return s.do(ctx, "mark node dead", 0, func(now time.Time) {
		if s.signs[node] >= 0 {
			s.signs[node] = -now.UnixMilli()
		}
	})
}

// Retire implements store.Store.
func (s *Store) Retire(ctx context.Context, node string) error {
	return s.do(ctx, "retire node", 0, func(time.Time) {
		delete(s.signs, node)
		delete(s.nodeRooms, node)
	})
}

// NodeStates implements store.Store.
func (s *Store) NodeStates(ctx context.Context, nodes []string) ([]store.NodeState, error) {
	out := make([]store.NodeState, len(nodes))
	err := s.do(ctx, "read how nodes stand", 0, func(time.Time) {
		for i, id := range nodes {
			if sign, ok := s.signs[id]; ok && sign < 0 {
				out[i] = store.NodeDead
			} else if ok {
				out[i] = store.NodeAlive
			}
		}
	})
	return out, err
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, dead, by string) (mine bool, err error) {
	err = s.do(ctx, "claim node", 0, func(now time.Time) {
		c := s.claims[dead]
		if mine = c.by == by || !now.Before(c.ends); mine {
			s.claims[dead] = claim{by: by, ends: now.Add(store.ClaimTime)}
		}
	})
	return mine, err
}

// NodeDone implements store.Store.
func (s *Store) NodeDone(ctx context.Context, dead string) error {
	return s.do(ctx, "end claim", 0, func(time.Time) { delete(s.claims, dead) })
}
