package memstore

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// nodes say who is alive, and who reaps those who are not.
type nodes struct {
	mu sync.Mutex
	// score is when a node gave its last life sign, Unix ms, or minus when it
	// was marked dead.
	score  map[string]int64
	claims map[string]claim
}

type claim struct {
	by   string
	ends time.Time
}

// Beat implements store.Store.
func (s *Store) Beat(ctx context.Context, b store.BeatRequest) (store.Beat, error) {
	if err := s.inTime(ctx, "beat", b.ExpiresMs); err != nil {
		return store.Beat{}, err
	}
	n := &s.nodes
	n.mu.Lock()
	defer n.mu.Unlock()
	now := s.now().UnixMilli()
	own, known := n.score[b.Node]
	if own < 0 {
		return store.Beat{NowMs: now, Status: store.BeatReaped}, nil
	}
	n.score[b.Node] = now
	out := store.Beat{NowMs: now, Status: store.BeatNew}
	if known {
		out.Status = store.BeatRenewed
		if b.Judge && now-own <= store.MaxJudgeGap.Milliseconds() {
			n.judge(now, b.LeaseMs)
		}
	}
	out.Dead = n.dead(now)
	return out, nil
}

// judge marks those dead who gave no life sign for the lease.
func (n *nodes) judge(now, leaseMs int64) {
	marked := 0
	for id, score := range n.score {
		if score >= 0 && score < now-leaseMs && marked < store.MaxDead {
			n.score[id] = -now
			marked++
		}
	}
}

// dead drops marks that are too old, and lists the others, the last first.
func (n *nodes) dead(now int64) []string {
	var ids []string
	for id, score := range n.score {
		switch {
		case score >= 0:
		case -score < now-store.MarkTime.Milliseconds():
			delete(n.score, id)
		default:
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(n.score[a], n.score[b]), cmp.Compare(a, b))
	})
	return ids[:min(len(ids), store.MaxDead)]
}

// MarkDead implements store.Store.
func (s *Store) MarkDead(ctx context.Context, node string) error {
	if err := s.ready(ctx, "mark node dead"); err != nil {
		return err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	if s.nodes.score[node] >= 0 {
		s.nodes.score[node] = -s.now().UnixMilli()
	}
	return nil
}

// Retire implements store.Store.
func (s *Store) Retire(ctx context.Context, node string) error {
	if err := s.ready(ctx, "retire node"); err != nil {
		return err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	delete(s.nodes.score, node)
	return nil
}

// NodeStates implements store.Store.
func (s *Store) NodeStates(ctx context.Context, nodes []string) ([]store.NodeState, error) {
	if err := s.ready(ctx, "read how nodes stand"); err != nil {
		return nil, err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	out := make([]store.NodeState, len(nodes))
	for i, id := range nodes {
		if score, ok := s.nodes.score[id]; ok && score < 0 {
			out[i] = store.NodeDead
		} else if ok {
			out[i] = store.NodeAlive
		}
	}
	return out, nil
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, dead, by string) (bool, error) {
	if err := s.ready(ctx, "claim node"); err != nil {
		return false, err
	}
	n, now := &s.nodes, s.now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, ok := n.claims[dead]; ok && c.by != by && now.Before(c.ends) {
		return false, nil
	}
	n.claims[dead] = claim{by: by, ends: now.Add(store.ClaimTime)}
	return true, nil
}

// NodeEntries implements store.Store.
func (s *Store) NodeEntries(ctx context.Context, node string, limit int) ([]store.Entry, error) {
	if err := s.ready(ctx, "read entries of node"); err != nil {
		return nil, err
	}
	x := &s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []store.Entry
	for _, e := range x.nodes[node] {
		e.ExpiresMs = 0
		out = append(out, e)
		if len(out) >= limit {
			break
		}
	}
	return out, nil
}

// NodeDone implements store.Store.
func (s *Store) NodeDone(ctx context.Context, dead string) error {
	if err := s.ready(ctx, "end claim"); err != nil {
		return err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	delete(s.nodes.claims, dead)
	return nil
}
