package bench

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/parallel"
)

// rampUp connects everybody and joins them, unless the workload does that
// later. Users of one room take turns with those of the others.
func (r *run) rampUp() {
	r.ramping.Store(true)
	r.observer.begin("ramp-up")
	count := len(r.members)
	step := r.cfg.RampUp / time.Duration(count)
	begin := r.now()
	r.each(count, func(i int) {
		m, due := r.members[i], r.now()
		if step > 0 {
			if due = begin + time.Duration(i)*step; !r.sleepUntil(due) {
				return
			}
			due = r.sentAt(due)
		}
		if m.connect(due) == nil && (r.cfg.joinLater || m.join() == nil) {
			r.admitted.Add(1)
		}
	})
	if !r.cfg.paced() {
		r.settle()
	}
	r.observer.end()
	r.ramping.Store(false)
}

// each calls f for each number below n, Concurrency at a time, until the load ends.
func (r *run) each(n int, f func(i int)) {
	_ = parallel.Each(r.loadCtx, n, r.cfg.Concurrency, func(i int) error { // which gives no error
		f(i)
		return nil
	})
}

// load does what the workload is about, and measures it.
func (r *run) load() {
	nothing := r.cfg.once == nil && r.cfg.Duration == 0
	if nothing || r.loadCtx.Err() != nil || r.admitted.Load() == 0 {
		return
	}
	r.observer.begin("load")
	defer r.observer.end()
	if r.cfg.once != nil {
		r.cfg.once(r)
		r.settle()
		return
	}
	r.patching.Store(true)
	if r.cfg.ClosedLoop {
		r.loading.Store(true)
		for _, m := range r.members {
			for range r.cfg.Window {
				r.next(m)
			}
		}
	}
	if r.cfg.ChurnPerSec > 0 {
		r.churn()
	}
	select {
	case <-time.After(r.cfg.Duration):
	case <-r.enough:
	case <-r.loadCtx.Done():
	}
	r.stop()
}

// stop ends the sending of requests. It waits for those who send, but not
// forever: a write to a server that is stuck ends only with its connection.
func (r *run) stop() {
	r.loading.Store(false)
	r.endLoad()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.senders.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(stopTimeout):
	}
}

// answered is called after each heartbeat's answer.
func (r *run) answered(m *member) {
	if r.answers.Add(1) == r.cfg.Requests {
		close(r.enough)
		r.loading.Store(false)
	}
	if r.cfg.ClosedLoop {
		r.next(m)
	}
}

// next sends the next request of a closed loop.
func (r *run) next(m *member) {
	if r.loading.Load() {
		m.beat(r.now(), true)
	}
}

// pace begins to send heartbeats at the fixed rate, whether or not answers
// come. The talkers' turns are spread evenly over each period.
func (r *run) pace() {
	r.loading.Store(true)
	r.patching.Store(!r.cfg.BaseProtocol) // there, receivers count from the first
	var talkers []*member
	for _, m := range r.members {
		if m.talks {
			talkers = append(talkers, m)
		}
	}
	const pacers = 8 // so that one blocked connection does not hold up all
	period := time.Duration(float64(time.Second) / r.cfg.HeartbeatsPerSec)
	for p := range min(pacers, len(talkers)) {
		r.senders.Go(func() {
			for cycle := time.Duration(0); ; cycle++ {
				for i := p; i < len(talkers); i += pacers {
					due := cycle*period + period*time.Duration(i)/time.Duration(len(talkers))
					if !r.sleepUntil(due) || !r.loading.Load() {
						return
					}
					if talkers[i].beat(r.sentAt(due), r.patching.Load()) {
						r.observer.late(r.now() - due)
					}
				}
			}
		})
	}
}

// stopTimeout is above the time that a connection may take to open.
const stopTimeout = 15 * time.Second

// timerSlack is how late a timer may come on an idle machine.
const timerSlack = time.Millisecond

// sentAt is the time from which a latency counts: when the request was due, so
// that a delay here or a connection that takes no more is not hidden. Only the
// lateness of a timer is forgiven.
func (r *run) sentAt(due time.Duration) time.Duration {
	if now := r.now(); now-due < timerSlack {
		return now
	}
	return due
}

// sleepUntil waits for a time since the start. False means that the load ended.
func (r *run) sleepUntil(due time.Duration) bool {
	wait := due - r.now()
	if wait <= 0 {
		return r.loadCtx.Err() == nil
	}
	select {
	case <-time.After(wait):
		return true
	case <-r.loadCtx.Done():
		return false
	}
}

// churn makes users leave and join again until the load ends: by turns on the
// same connection and on a new one. The first user of each room stays and
// watches.
func (r *run) churn() {
	idle := make(chan *member, len(r.members))
	for _, i := range rand.Perm(len(r.members)) {
		if m := r.members[i]; m.slot > 0 {
			idle <- m
		}
	}
	var turn atomic.Int64
	begin := r.now()
	period := float64(time.Second) / r.cfg.ChurnPerSec
	for range r.cfg.Concurrency {
		r.senders.Go(func() {
			for {
				n := turn.Add(1) - 1
				if !r.sleepUntil(begin + time.Duration(float64(n)*period)) {
					return
				}
				select {
				case m := <-idle:
					m.churn(n%2 == 0)
					idle <- m
				case <-r.loadCtx.Done():
					return
				}
			}
		})
	}
}

// churn leaves and comes back. Errors have been counted where they were.
func (m *member) churn(onNewConnection bool) {
	if onNewConnection {
		if m.reconnect() != nil {
			return
		}
	} else if m.leave() != nil {
		return
	}
	_ = m.join()
}

// joinStorm joins everybody who is connected.
func joinStorm(r *run) {
	r.ramping.Store(true)
	defer r.ramping.Store(false)
	r.each(len(r.members), func(i int) { _ = r.members[i].join() })
}

// reconnectHerd cuts every connection at once and lets all come back.
func reconnectHerd(r *run) {
	for _, m := range r.members {
		m.cut()
	}
	r.each(len(r.members), func(i int) {
		if m := r.members[i]; m.reconnect() == nil {
			_ = m.join()
		}
	})
}
