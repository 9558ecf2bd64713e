package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

// Beat implements store.Store.
func (s *Store) Beat(ctx context.Context, b store.BeatRequest) (store.Beat, error) {
	lease := ""
	if b.Judge {
		lease = num(b.LeaseMs)
	}
	known := ""
	if b.Known {
		known = "k"
	}
	msg, err := s.pipe.exec(ctx, &s.scripts.beat, run{[]string{s.keys.nodes()}, []string{
		b.Node, num(b.ExpiresMs), lease,
		num(store.MaxJudgeGap.Milliseconds()), num(store.MarkTime.Milliseconds()), num(store.MaxDead), known,
	}})
	if err != nil {
		return store.Beat{}, fmt.Errorf("beat: %w", err)
	}
	out, err := parseBeat(&msg)
	if err != nil {
		return store.Beat{}, fmt.Errorf("beat: %w", err)
	}
	return out, nil
}

func parseBeat(msg *rueidis.RedisMessage) (b store.Beat, err error) {
	list, err := msg.AsStrSlice()
	if err != nil {
		return b, err
	}
	if len(list) == 0 {
		return b, errLate
	}
	if b.NowMs, err = strconv.ParseInt(list[0], 10, 64); err != nil || len(list) < 2 {
		return b, errAnswer
	}
	switch list[1] {
	case "r":
		b.Status = store.BeatRenewed
	case "n":
		b.Status = store.BeatNew
	case "d":
		b.Status = store.BeatReaped
	default:
		return b, errAnswer
	}
	b.Dead = list[2:]
	return b, nil
}

// MarkDead implements store.Store.
func (s *Store) MarkDead(ctx context.Context, node string) error {
	if _, err := s.pipe.exec(ctx, &s.scripts.markDead, run{[]string{s.keys.nodes()}, []string{node}}); err != nil {
		return fmt.Errorf("mark node dead: %w", err)
	}
	return nil
}

// Retire implements store.Store. The rooms go first: nobody would look for them later.
func (s *Store) Retire(ctx context.Context, node string) error {
	b := s.client.B()
	_, err := s.pipe.do(ctx, b.Unlink().Key(s.keys.nodeRooms(node)).Build())
	if err == nil {
		_, err = s.pipe.do(ctx, b.Zrem().Key(s.keys.nodes()).Member(node).Build())
	}
	if err != nil {
		return fmt.Errorf("retire node: %w", err)
	}
	return nil
}

// NodeStates implements store.Store.
func (s *Store) NodeStates(ctx context.Context, nodes []string) ([]store.NodeState, error) {
	b := s.client.B()
	cmds := make([]rueidis.Completed, len(nodes))
	for i, id := range nodes {
		cmds[i] = b.Zscore().Key(s.keys.nodes()).Member(id).Build()
	}
	res, err := s.pipe.doMany(ctx, cmds)
	if err != nil {
		return nil, fmt.Errorf("read how %d nodes stand: %w", len(nodes), err)
	}
	out := make([]store.NodeState, len(nodes))
	for i := range res {
		score, err := res[i].AsFloat64()
		switch {
		case rueidis.IsRedisNil(err):
		case err != nil:
			return nil, fmt.Errorf("read how node %q stands: %w", nodes[i], s.pipe.wrap(err))
		case score < 0:
			out[i] = store.NodeDead
		default:
			out[i] = store.NodeAlive
		}
	}
	return out, nil
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, dead, by string) (bool, error) {
	msg, err := s.pipe.exec(ctx, &s.scripts.claim,
		run{[]string{s.keys.claim(dead)}, []string{by, num(store.ClaimTime.Milliseconds())}})
	if err != nil {
		return false, fmt.Errorf("claim node %q: %w", dead, err)
	}
	n, err := msg.AsInt64()
	if err != nil {
		return false, fmt.Errorf("claim node %q: %w", dead, err)
	}
	return n == 1, nil
}

// NodeDone implements store.Store.
func (s *Store) NodeDone(ctx context.Context, dead string) error {
	if _, err := s.pipe.do(ctx, s.client.B().Del().Key(s.keys.claim(dead)).Build()); err != nil {
		return fmt.Errorf("end claim on node %q: %w", dead, err)
	}
	return nil
}
