package bench

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

const (
	transportWebSocket = "websocket"
	transportPolling   = "polling"
)

// run is one load under way.
type run struct {
	cfg     Config
	ctx     context.Context // the caller's; its end interrupts the run
	loadCtx context.Context // ends before what came is counted
	endLoad context.CancelFunc
	start   time.Time
	padding []byte // fills the states up
	members []*member
	rooms   []*room

	readers sync.WaitGroup
	senders sync.WaitGroup
	links   links
	web     *http.Client // of polling connections

	ramping  atomic.Bool // stays that begin are their users' first
	loading  atomic.Bool // requests are sent
	patching atomic.Bool // and may patch
	closing  atomic.Bool // connections that end now are no errors
	admitted atomic.Int64
	pending  atomic.Int64 // requests without an answer
	answers  atomic.Int64 // to heartbeats and patches
	enough   chan struct{}

	verdicts verdicts
	failures failures
	recorder recorder
	observer *observer
}

// Run puts the load on and blocks until it is over: after its time, after its
// Requests, or when ctx is done. The report is of what was measured until then;
// refused requests and missing events are in it (see Report.Err). The error is
// of a load that could not be put on at all.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.BaseProtocol {
		cfg.graceMs = 0
	}
	r, err := newRun(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer r.close()
	background := r.background()
	if cfg.paced() {
		r.pace()
	}
	r.rampUp()
	r.load()
	r.stop()
	r.settle()
	background()
	return r.report()
}

func newRun(ctx context.Context, cfg Config) (*run, error) {
	r := &run{cfg: cfg, ctx: ctx, start: time.Now(), enough: make(chan struct{})}
	r.web = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * cfg.connections()}}
	r.loadCtx, r.endLoad = context.WithCancel(ctx)
	const bare = len(`"n":1,"t":123456789012,"pad":"",`)
	if n := cfg.StateBytes - bare; n > 0 {
		r.padding = fmt.Appendf(nil, `"pad":"%s",`, strings.Repeat("x", n))
	}
	prefix := fmt.Sprintf("bench-%x-", r.start.UnixNano())
	for i := range cfg.Rooms {
		r.rooms = append(r.rooms, &room{name: fmt.Sprint(prefix, i)})
	}
	for i := range cfg.connections() {
		slot := i / cfg.Rooms
		r.members = append(r.members, &member{
			run: r, index: i, slot: slot, room: r.rooms[i%cfg.Rooms],
			target: cfg.Targets[slot%len(cfg.Targets)], user: fmt.Sprintf("user-%d.", i),
			talks: slot < cfg.talkers(), record: r.recorder.shard(i), credit: phase(i),
		})
	}
	var err error
	r.observer, err = newObserver(r)
	return r, err
}

// phase spreads numbered things evenly over 0 to 1, so that they do not all do
// the same at once.
func phase(i int) float64 {
	_, part := math.Modf(float64(i) * math.Phi)
	return part
}

// now is the time since the start, on the monotonic clock.
func (r *run) now() time.Duration { return time.Since(r.start) }

func (r *run) dial(target string) (link, error) {
	if r.cfg.Transport == transportPolling {
		return client.DialPolling(r.ctx, r.web, target)
	}
	return client.Dial(r.ctx, target)
}

// fail counts an error, unless it comes from ending the run.
func (r *run) fail(kind, format string, args ...any) {
	if !r.closing.Load() && (kind != errConnect || r.ctx.Err() == nil) {
		r.failures.add(kind, format, args...)
	}
}

// background starts what goes on all the time: the observer, and the search
// for requests without an answer. The function that it returns ends both.
func (r *run) background() (stop func()) {
	done := make(chan struct{})
	var tasks sync.WaitGroup
	tasks.Go(func() { every(done, r.cfg.ReportInterval, r.observer.cut) })
	tasks.Go(func() { every(done, min(r.cfg.AckTimeout/4, 250*time.Millisecond), r.sweep) })
	if r.cfg.OnProgress != nil {
		tasks.Go(func() { every(done, 250*time.Millisecond, func() { r.cfg.OnProgress(r.observer.progress()) }) })
	}
	return func() {
		close(done)
		tasks.Wait()
	}
}

func every(done <-chan struct{}, interval time.Duration, do func()) {
	ticker := time.NewTicker(max(interval, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			do()
		case <-done:
			return
		}
	}
}

// sweep finds requests that nobody answers. A closed loop goes on without.
func (r *run) sweep() {
	limit := r.now() - r.cfg.AckTimeout
	for _, m := range r.members {
		for range m.expire(limit) {
			r.answered(m)
		}
	}
}

// settle waits until every request is answered and every event has come, or
// until nothing of it has moved for AckTimeout.
func (r *run) settle() {
	const poll, behind = 10 * time.Millisecond, 50 * time.Millisecond
	moved, before := r.now(), r.state()
	for {
		state := r.state()
		if state.pending <= 0 && state.came >= state.due {
			break
		}
		if state != before {
			moved, before = r.now(), state
		} else if r.now()-moved > r.cfg.AckTimeout {
			return
		}
		time.Sleep(poll)
	}
	// Whatever is one too many would be close behind.
	time.Sleep(behind)
}

type state struct{ pending, due, came int64 }

func (r *run) state() state {
	s := state{pending: r.pending.Load()}
	for _, room := range r.rooms {
		balance := func() (due, came int64) { return room.balance(r.cfg.BaseProtocol) }
		if r.cfg.Deltas {
			balance = room.balanceBatches
		}
		due, came := balance()
		s.due += due
		s.came += came
	}
	return s
}

// close ends every connection and waits for all goroutines.
func (r *run) close() {
	r.closing.Store(true)
	r.endLoad()
	r.links.close()
	r.senders.Wait()
	r.readers.Wait()
	r.web.CloseIdleConnections()
}

// links are the open connections, to be closed at the end.
type links struct {
	mu     sync.Mutex
	open   map[link]struct{}
	closed bool
}

// add says false if it is too late: the caller closes the link.
func (l *links) add(c link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.open == nil {
		l.open = map[link]struct{}{}
	}
	l.open[c] = struct{}{}
	return true
}

func (l *links) remove(c link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

func (l *links) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

func (l *links) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for c := range l.open {
		c.Close()
	}
}

// verdicts counts what was wrong with events.
type verdicts struct {
	gaps, reordered, duplicates atomic.Int64
}

func (v *verdicts) count(one verdict) {
	switch one {
	case afterGap:
		v.gaps.Add(1)
	case reordered:
		v.reordered.Add(1)
	case duplicate:
		v.duplicates.Add(1)
	}
}
