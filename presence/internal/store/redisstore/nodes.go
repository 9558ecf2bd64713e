package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
	"github.com/redis/rueidis"
)

// Beat implements store.Store.
func (s *Store) Beat(ctx context.Context, b store.BeatRequest) (store.Beat, error) {
	lease := ""
	if b.Judge {
		lease = record.Num(b.LeaseMs)
	}
	known := ""
	if b.Known {
		known = "k"
	}
	msg, err := s.pipe.Exec(ctx, &s.scripts.beat, pipeline.Run{Keys: []string{s.keys.Nodes()}, Args: []string{
		b.Node, record.Num(b.ExpiresMs), lease,
		record.Num(store.MaxJudgeGap.Milliseconds()), record.Num(store.MarkTime.Milliseconds()), record.Num(store.MaxDead), known,
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
		return b, record.ErrAnswer
	}
	switch list[1] {
	case "r":
		b.Status = store.BeatRenewed
	case "n":
		b.Status = store.BeatNew
	case "d":
		b.Status = store.BeatReaped
	default:
		return b, record.ErrAnswer
	}
	b.Dead = list[2:]
	return b, nil
}

// MarkDead implements store.Store.
func (s *Store) MarkDead(ctx context.Context, node string) error {
	if _, err := s.pipe.Exec(ctx, &s.scripts.markDead, pipeline.Run{Keys: []string{s.keys.Nodes()}, Args: []string{node}}); err != nil {
		return fmt.Errorf("mark node dead: %w", err)
	}
	return nil
}

// Retire implements store.Store. The rooms go first: nobody would look for them later.
func (s *Store) Retire(ctx context.Context, node string) error {
	b := s.client.B()
	_, err := s.pipe.Do(ctx, b.Unlink().Key(s.keys.NodeRooms(node)).Build())
	if err == nil {
		_, err = s.pipe.Do(ctx, b.Zrem().Key(s.keys.Nodes()).Member(node).Build())
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
		cmds[i] = b.Zscore().Key(s.keys.Nodes()).Member(id).Build()
	}
	res, err := s.pipe.DoMany(ctx, cmds)
	if err != nil {
		return nil, fmt.Errorf("read how %d nodes stand: %w", len(nodes), err)
	}
	out := make([]store.NodeState, len(nodes))
	for i := range res {
		score, err := res[i].AsFloat64()
		switch {
		case rueidis.IsRedisNil(err):
		case err != nil:
			return nil, fmt.Errorf("read how node %q stands: %w", nodes[i], s.pipe.Wrap(err))
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
	msg, err := s.pipe.Exec(ctx, &s.scripts.claim,
		pipeline.Run{Keys: []string{s.keys.Claim(dead)}, Args: []string{by, record.Num(store.ClaimTime.Milliseconds())}})
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
	if _, err := s.pipe.Do(ctx, s.client.B().Del().Key(s.keys.Claim(dead)).Build()); err != nil {
		return fmt.Errorf("end claim on node %q: %w", dead, err)
	}
	return nil
}

// checkFormer fails when servers run that keep their members in the form from before keys
// had a version: nobody would see who is on the others.
func (s *Store) checkFormer(ctx context.Context, lease time.Duration) error {
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	key := s.keys.Former()
	since := record.Num(now - lease.Milliseconds())
	msg, err := s.pipe.Do(ctx, s.client.B().Zrangebyscore().Key(key).Min(since).Max("+inf").Limit(0, 1).Build())
	if err != nil {
		return err
	}
	alive, err := msg.AsStrSlice()
	if err != nil || len(alive) == 0 {
		return err
	}
	return fmt.Errorf("servers of a version from before 0.1.0 use it (%s has a life sign of %q), and members of those and of this one would not see each other: "+
		"stop all of them, wait for %v, and start this one again; clients then come back by themselves", key, alive[0], lease)
}
