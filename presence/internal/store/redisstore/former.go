package redisstore

import (
	"context"
	"fmt"
	"time"
)

// checkFormer fails when servers run that keep their members in the form from before keys
// had a version: nobody would see who is on the others.
func (s *Store) checkFormer(ctx context.Context, lease time.Duration) error {
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	key := s.keys.former()
	since := num(now - lease.Milliseconds())
	msg, err := s.pipe.do(ctx, s.client.B().Zrangebyscore().Key(key).Min(since).Max("+inf").Limit(0, 1).Build())
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
