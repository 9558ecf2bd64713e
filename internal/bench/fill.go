package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

// joinsAtOnce is how many clients connect and join at the same time.
const joinsAtOnce = 64

// fill connects every member and joins it to its room, joinsAtOnce at a time.
// The rooms take turns, so that members of one room come one by one. joined is
// called for each, from several goroutines. It stops at the first error.
func (r *run) fill(ctx context.Context, joined func(*member)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.members = make([]*member, r.cfg.Connections)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range joinsAtOnce {
		workers.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= len(r.members) || ctx.Err() != nil {
					return
				}
				if err := r.admit(ctx, i); err != nil {
					cancel(fmt.Errorf("member %d: %w", i, err))
					return
				}
				joined(r.members[i])
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// admit connects and joins one member.
func (r *run) admit(ctx context.Context, i int) error {
	start := time.Now()
	c, err := client.Dial(ctx, r.cfg.TargetURL)
	if err != nil {
		return err
	}
	m := &member{
		run:  r,
		conn: c,
		room: fmt.Sprintf("%s%d", r.prefix, i%r.cfg.Rooms),
		user: fmt.Sprintf("user-%d.", i),
	}
	r.members[i] = m
	stop := context.AfterFunc(ctx, c.Close)
	defer stop()
	if err := m.join(); err != nil {
		return err
	}
	if r.measuring.Load() {
		r.latency.Record(time.Since(start))
	}
	return nil
}

// listen gives the member a goroutine that reads until the end.
func (r *run) listen(m *member) {
	r.readers.Go(m.read)
}
