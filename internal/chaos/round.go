//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/quantile"
)

// work is how long clients work undisturbed before each fault.
const work = 2 * time.Second

// fault is one thing that happens to a cluster.
type fault struct {
	name string
	in   []string // topologies; nil is all
	// do brings the fault about and returns when it is over: from then on
	// everything has to heal. back is when Redis could be reached again; zero if it
	// always could.
	do func(w *world) (over, back time.Time, err error)
	// judging faults need nodes that may judge others.
	judging bool
	limit   time.Duration // for all to agree; 0 is usualLimit
}

const usualLimit = 30 * time.Second

// Row is what one fault came to.
type Row struct {
	Topology, Fault string
	Load            string        // load average of the machine
	Stall           time.Duration // the longest that this process did not run
	Ghosts          int           // members that died without a leave
	gone            []time.Duration
	GoneP50         time.Duration // from death, or Redis' return, to the leave at an observer
	GoneP99         time.Duration
	GoneMax         time.Duration
	counts          [complaints]int
	Excused         int           // leaves that a node's silence excuses
	Unhealed        int           // maps that did not come to agree
	Refused         int           // joins and patches
	BeatP99         time.Duration // of heartbeats sent until the fault was over
	BeatMax         time.Duration
	Slowest         time.Duration // answer to a join or a patch
	Agree           time.Duration // from the end of the fault until all maps agree
	Words           []string      // complaints
}

// round does one fault and judges it.
func (w *world) round(f fault) (Row, error) {
	if f.judging {
		w.awaitSteady()
	}
	w.tally.begin(f.name)
	w.stalls.take()
	w.resting.Store(false)
	w.pause(work)
	w.cfg.Log("%s: %s", w.cfg.Topology, f.name)
	over, back, err := f.do(w)
	r := Row{Topology: w.cfg.Topology, Fault: f.name}
	if err != nil {
		return r, fmt.Errorf("%s: %w", f.name, err)
	}
	w.resting.Store(true)
	limit := f.limit
	if limit == 0 {
		limit = usualLimit
	}
	at, last := w.quiet(limit)
	r.Agree = at.Sub(over)
	if !last.ok() {
		w.unhealed(&r, last)
	}
	err = w.undo()
	w.judge(&r, back)
	w.fill(&r, over)
	w.truth.forget()
	w.cfg.Log("%s: %s: agreed after %v, %d complaints", w.cfg.Topology, f.name, r.Agree.Round(time.Millisecond), r.failed())
	return r, errors.Join(err, w.ctx.Err())
}

// unhealed says what did not come to agree.
func (w *world) unhealed(r *Row, last *look) {
	r.Unhealed = len(last.differ) + len(last.waiting)
	add := func(format string, args ...any) {
		if len(r.Words) < worded {
			r.Words = append(r.Words, fmt.Sprintf("after %v: ", r.Agree.Round(time.Millisecond))+fmt.Sprintf(format, args...))
		}
	}
	for _, text := range last.waiting {
		add("%s", text)
	}
	for i, text := range last.differ {
		if i < len(last.of) {
			w.truth.mu.Lock()
			room, connID := last.of[i].room, last.of[i].connID
			w.truth.mu.Unlock()
			add("Redis has of %s in %q: %s", connID, room, w.store.record(room, connID))
		}
		add("%s", text)
	}
}

// undo ends what a fault may have left in force.
func (w *world) undo() error {
	w.lossy.Store(false)
	w.patience.Store(0)
	for _, s := range w.slots {
		s.door.Heal()
		w.truth.trouble(s.running(), false)
	}
	after := w.after
	w.after = nil
	if after == nil {
		return nil
	}
	return after()
}

// awaitSteady waits until nodes may judge others: lease and 5 s of unbroken
// life signs, and a little.
func (w *world) awaitSteady() {
	w.pause(time.Until(w.steady.Add(leaseTime + 8*time.Second)))
}

// fill takes the counts of the round over.
func (w *world) fill(r *Row, over time.Time) {
	t := w.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	r.counts, r.Words, r.Refused = t.counts, append(r.Words, t.words...), t.refused
	r.Slowest = max(t.slowest["presence:join"], t.slowest[patchName])
	var beats []time.Duration
	for _, b := range t.beats {
		if b.sent.Before(over) {
			beats = append(beats, b.took)
		}
	}
	r.BeatP99, r.BeatMax = quantile.Of(beats, 0.99), quantile.Of(beats, 1)
	w.cfg.Log("slowest answers: %v", t.slowest)
	r.GoneP50, r.GoneP99, r.GoneMax = quantile.Of(r.gone, 0.5), quantile.Of(r.gone, 0.99), quantile.Of(r.gone, 1)
	r.Load, r.Stall = loadAverage(), w.stalls.take()
}

// failed is how many promises were broken.
func (r *Row) failed() int {
	sum := r.Unhealed
	for _, n := range r.counts {
		sum += n
	}
	return sum
}
