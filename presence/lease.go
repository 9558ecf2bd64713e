package presence

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// beatInterval is how often a node gives its life sign and learns the
	// store's time, however long the one before took.
	beatInterval = time.Second
	// steadyGap is how far apart two good beats may be for a node to judge others.
	steadyGap = 2 * time.Second
	// steadyExtra is for how much longer than a lease a node's own beats must
	// have run unbroken before it judges others: so nobody is judged by an old
	// clock, or for an outage that hit everybody.
	steadyExtra = 5 * time.Second
)

// lease is what a node knows of its own life signs. Only the beat touches it.
type lease struct {
	known  bool      // the store knew this node's id at the last beat
	last   time.Time // of the last good beat
	steady time.Time // since when good beats were never further apart than steadyGap
}

// reading is what the store's clock showed, in Unix ms, at a moment of the
// node's own.
type reading struct {
	at      time.Time
	storeMs int64
}

// storeTime is a moment of the node's in the store's time. It counts from the
// last beat by the monotonic clock: a step of the wall clock changes nothing.
func (e *engine) storeTime(t time.Time) int64 {
	r := e.learned.Load()
	return r.storeMs + t.Sub(r.at).Milliseconds()
}

// beat gives the life sign, learns the store's time, and does what the answer
// asks for.
func (e *engine) beat(ctx context.Context) error {
	e.beating.Store(true)
	defer e.beating.Store(false)
	before, first := e.clock.Now(), e.lease.last.IsZero()
	q := store.BeatRequest{Node: e.self(), LeaseMs: e.leaseTime.Milliseconds(), Judge: e.mayJudge(before)}
	if q.Judge { // else it may come late: the store's clock may have been set
		q.ExpiresMs = e.expiry(ctx)
	}
	b, err := e.store.Beat(ctx, q)
	if err != nil {
		return err
	}
	after := e.clock.Now()
	e.learn(before, after, b.NowMs)
	silence := after.Sub(e.lease.last)
	if silence > steadyGap {
		e.lease.steady = after
	}
	e.lease.last = after
	e.steady.Store(e.mayJudge(after))
	switch {
	case b.Status == store.BeatReaped:
		e.lease.known = false
		e.silence.Store(int64(silence))
		return e.reborn(ctx)
	case b.Status == store.BeatNew && e.lease.known:
		e.storeLost()
	}
	e.lease.known = true
	if !first { // the node is not ready for more; the next beat names them again
		e.bury(b.Dead)
	}
	return nil
}

// learn takes in what the store's clock showed at some moment between two of
// the node's own. What was known before is changed no more than that says: an
// answer that took long says little.
func (e *engine) learn(before, after time.Time, storeMs int64) {
	r := reading{at: before.Add(after.Sub(before) / 2), storeMs: storeMs}
	if e.learned.Load() != nil {
		r.at = before
		r.storeMs = min(max(e.storeTime(before), storeMs-after.Sub(before).Milliseconds()), storeMs)
	}
	e.learned.Store(&r)
}

func (e *engine) mayJudge(now time.Time) bool {
	l := &e.lease
	return !l.last.IsZero() && now.Sub(l.last) <= steadyGap && now.Sub(l.steady) >= e.leaseTime+steadyExtra
}

// beatTimeout is how long one life sign may take: never so long that the next one
// is late, and at most a quarter of the lease, so that three may fail.
func (e *engine) beatTimeout() time.Duration {
	return min(beatInterval, e.leaseTime/4, e.storeTimeout)
}

func (e *engine) tryBeat() {
	ctx, cancel := context.WithTimeout(e.ctx, e.beatTimeout())
	defer cancel()
	if err := e.beat(ctx); err != nil && e.ctx.Err() == nil {
		e.steady.Store(false)
		e.faults.Warn("life sign failed", "node", e.self(), "error", err)
	}
}
