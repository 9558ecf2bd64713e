package bench

import (
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/procstat"
)

// observer cuts the run into intervals and phases.
type observer struct {
	run    *run
	meters []*meter

	mu        sync.Mutex
	lastCut   time.Duration
	lastErrs  int64
	phase     string // that is under way; empty between them
	began     time.Duration
	beganWith []procstat.Usage
	counted   tally // of this phase
	total     tally // of the whole run, for its latencies
	latest    time.Duration
	phases    []Phase
	intervals []Interval
	failed    error // a process that could not be read
}

func newObserver(r *run) (*observer, error) {
	meters, err := newMeters(r.cfg)
	return &observer{run: r, meters: meters}, err
}

// begin starts a phase.
func (o *observer) begin(phase string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cutLocked()
	o.phase, o.began, o.counted, o.beganWith = phase, o.run.now(), tally{}, nil
	for _, m := range o.meters {
		o.beganWith = append(o.beganWith, m.last)
	}
}

// end finishes the phase under way.
func (o *observer) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cutLocked()
	p := Phase{
		Name:       o.phase,
		Seconds:    (o.run.now() - o.began).Seconds(),
		Deliveries: o.counted.deliveries,
		Counts:     map[string]int64{},
	}
	for i, h := range o.counted.latency {
		if h != nil {
			p.Counts[opNames[i]] = h.TotalCount()
		}
	}
	delete(p.Counts, opNames[opDelivery])
	p.Operation, p.Operations = o.operations()
	for i, m := range o.meters {
		p.Processes = append(p.Processes, Usage{
			Role: m.role, PID: m.pid,
			CPUSeconds:     (m.last.CPU - o.beganWith[i].CPU).Seconds(),
			ResidentBefore: o.beganWith[i].Resident,
			ResidentAfter:  m.last.Resident,
		})
	}
	o.phases = append(o.phases, p)
	o.phase = ""
}

// operations says what the phase's costs are divided by.
func (o *observer) operations() (string, int64) {
	c := &o.counted
	switch beats := c.count(opHeartbeat, opPatch); {
	case o.phase == phaseRampUp && !o.run.cfg.joinLater:
		return "connect and join", c.count(opJoin)
	case o.phase == phaseRampUp:
		return "connect", c.count(opConnect)
	case o.run.cfg.joinLater:
		return "join", c.count(opJoin)
	case o.run.cfg.once != nil:
		return "reconnect", c.count(opJoin, opResume)
	case o.run.cfg.ChurnPerSec > 0:
		return "request", beats + c.count(opJoin, opLeave)
	case beats > 0 && c.count(opHeartbeat) == 0:
		return "patch", beats
	default:
		return "heartbeat", beats
	}
}

// cut ends an interval.
func (o *observer) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cutLocked()
}

func (o *observer) cutLocked() {
	now, t, errs := o.run.now(), o.run.recorder.take(), o.run.failures.count()
	length := now - o.lastCut
	interval := Interval{
		Phase: o.phase, EndSeconds: now.Seconds(), Seconds: length.Seconds(),
		Connections: o.run.links.count(), Deliveries: t.deliveries, Errors: errs - o.lastErrs,
		Latencies: latencies(&t, false),
	}
	for _, m := range o.meters {
		before := m.last
		if err := m.read(); err != nil && o.failed == nil {
			o.failed = err
		}
		interval.Processes = append(interval.Processes, Share{
			Role: m.role, PID: m.pid,
			Cores:    (m.last.CPU - before.CPU).Seconds() / max(length.Seconds(), 1e-3),
			Resident: m.last.Resident,
		})
	}
	o.lastCut, o.lastErrs = now, errs
	o.counted.add(t)
	if o.phase == phaseRampUp {
		// What the users do while others still come is not yet the load.
		t.latency[opHeartbeat], t.latency[opPatch], t.latency[opDelivery] = nil, nil, nil
	}
	o.total.add(t)
	const tooShort = 20 * time.Millisecond
	if length < tooShort {
		return
	}
	o.intervals = append(o.intervals, interval)
	if o.run.cfg.OnInterval != nil {
		o.run.cfg.OnInterval(interval)
	}
}

// late notes how long after its time a request was sent.
func (o *observer) late(by time.Duration) {
	if by < timerSlack {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest = max(o.latest, by)
}

// progress says how far the run is.
func (o *observer) progress() Progress {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.run
	p := Progress{Phase: o.phase, Connections: r.links.count(), Errors: r.failures.count(), Answers: r.answers.Load()}
	switch {
	case o.phase == phaseRampUp:
		p.Done = float64(r.admitted.Load()) / float64(len(r.members))
	case o.phase == phaseLoad && r.cfg.once == nil:
		p.Done = (r.now() - o.began).Seconds() / r.cfg.Duration.Seconds()
		if r.cfg.Requests > 0 {
			p.Done = max(p.Done, float64(p.Answers)/float64(r.cfg.Requests))
		}
	case o.phase == "":
		p.Done = 1
	}
	p.Done = min(p.Done, 1)
	return p
}
