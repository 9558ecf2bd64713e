package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

// loop is a closed loop: each member that takes part keeps window requests
// under way and sends the next one when an answer comes.
type loop struct {
	window  int
	payload func(m *member, dst []byte) []byte
	stopped atomic.Bool
}

// run fills the rooms, warms up, measures for the configured time and waits
// for what is still under way. Of each room, the first talkers members send.
func (l *loop) run(ctx context.Context, r *run, talkers int) error {
	if err := r.fill(ctx, func(*member) {}); err != nil {
		return err
	}
	for i, m := range r.members {
		m.loop = l
		if i/r.cfg.Rooms < talkers {
			m.sentAt = make([]time.Time, l.window)
		}
		r.readers.Go(func() {
			if err := l.start(m); err != nil {
				r.fail(err)
				return
			}
			m.read()
		})
	}
	err := l.measure(ctx, r)
	l.stopped.Store(true)
	r.finish(ctx)
	return err
}

func (l *loop) measure(ctx context.Context, r *run) error {
	const longestWarmUp = time.Second
	if sleep(ctx, min(longestWarmUp, r.cfg.Duration/4)) != nil {
		return nil
	}
	if err := r.startMeasuring(); err != nil {
		return err
	}
	_ = sleep(ctx, r.cfg.Duration) // interrupted: the report says so
	return r.stopMeasuring()
}

// start sends a talker's first requests.
func (l *loop) start(m *member) error {
	for range m.sentAt {
		if err := l.send(m); err != nil {
			return fmt.Errorf("%s in %s: %w", m.user, m.room, err)
		}
	}
	return nil
}

func (l *loop) send(m *member) error {
	return m.send("presence:heartbeat", l.payload(m, m.payload[:0]))
}

// answered counts an answer and sends the next request.
func (l *loop) answered(m *member, p client.Packet) error {
	r := m.run
	if r.measuring.Load() {
		r.latency.Record(time.Since(m.sentAt[p.Ack%uint64(len(m.sentAt))]))
	}
	if bytes.Contains(p.Body, changedTrue) {
		r.expected.Add(int64(r.cfg.RoomSize))
	}
	if !accepted(p.Body) {
		r.fail(fmt.Errorf("%s in %s refused: %s", m.user, m.room, p.Body))
	}
	defer r.pending.Add(-1) // last, so that settle never sees a gap
	if l.stopped.Load() {
		return nil
	}
	return l.send(m)
}
