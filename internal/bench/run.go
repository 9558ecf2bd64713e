package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// settleTimeout bounds the wait for answers and events after the last request.
const settleTimeout = 15 * time.Second

// run is one scenario under way: its members and what they count.
type run struct {
	cfg     Config
	prefix  string // of room ids, so that no run meets another's rooms
	members []*member
	readers sync.WaitGroup
	closing atomic.Bool // connections that end now are no errors

	measuring atomic.Bool
	latency   Histogram

	pending          atomic.Int64 // requests without an answer
	expected, events atomic.Int64 // since the start, setting up included
	failures         failures
	server, redis    meter
	measureFrom      time.Time
	eventsBefore     int64
	report           Report
}

func newRun(cfg Config) *run {
	return &run{
		cfg:    cfg,
		prefix: fmt.Sprintf("bench-%x-", time.Now().UnixNano()),
		server: meter{pid: cfg.ServerPID},
		redis:  meter{pid: cfg.RedisPID},
		report: Report{Scenario: cfg.Scenario, Connections: cfg.Connections, RoomSize: cfg.RoomSize},
	}
}

// close ends every connection and waits for their goroutines.
func (r *run) close() {
	r.closing.Store(true)
	for _, m := range r.members {
		if m != nil {
			m.conn.Close()
		}
	}
	r.readers.Wait()
}

// startMeasuring begins the stretch that the report is about.
func (r *run) startMeasuring() error {
	if err := errors.Join(r.server.start(), r.redis.start()); err != nil {
		return err
	}
	r.measureFrom = time.Now()
	r.eventsBefore = r.events.Load()
	r.measuring.Store(true)
	return nil
}

func (r *run) stopMeasuring() error {
	r.measuring.Store(false)
	r.report.Elapsed = time.Since(r.measureFrom)
	if err := errors.Join(r.server.stop(), r.redis.stop()); err != nil {
		return err
	}
	r.report.Operations = r.latency.Count()
	r.report.Deliveries = r.events.Load() - r.eventsBefore
	r.report.P50 = r.latency.Quantile(0.50)
	r.report.P99 = r.latency.Quantile(0.99)
	r.report.Server = r.server.usage
	r.report.Redis = r.redis.usage
	return nil
}

// finish waits for what is still under way and fills in the totals.
func (r *run) finish(ctx context.Context) {
	r.settle(ctx)
	r.report.EventsExpected = r.expected.Load()
	r.report.EventsReceived = r.events.Load()
	r.report.Errors, r.report.FirstErrors = r.failures.result()
	r.report.Interrupted = ctx.Err() != nil
}

// settle waits until every request is answered and every event has come, or
// until nothing of it has moved for settleTimeout.
func (r *run) settle(ctx context.Context) {
	deadline := time.Now().Add(settleTimeout)
	for r.pending.Load() > 0 || r.events.Load() < r.expected.Load() {
		if time.Now().After(deadline) || sleep(ctx, 5*time.Millisecond) != nil {
			return
		}
	}
	// Whatever is one too many would be close behind.
	_ = sleep(ctx, 50*time.Millisecond)
}

func (r *run) fail(err error) {
	if !r.closing.Load() {
		r.failures.add(err)
	}
}

// failures counts errors and keeps the first few.
type failures struct {
	mu    sync.Mutex
	count int64
	first []string
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if len(f.first) < 5 {
		f.first = append(f.first, err.Error())
	}
}

func (f *failures) result() (int64, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count, f.first
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
