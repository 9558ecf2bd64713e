package bench

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The phases of a run.
const (
	phaseRampUp = "ramp-up"
	phaseLoad   = "load"
)

// Report is what a run measured. Its JSON form is for programs: names and
// units stay.
type Report struct {
	Workload         string    `json:"workload"`
	Targets          []string  `json:"targets"`
	Transport        string    `json:"transport"`
	BaseProtocol     bool      `json:"baseProtocol"`
	Started          time.Time `json:"started"`
	Machine          string    `json:"machine"` // of the client
	Rooms            int       `json:"rooms"`
	UsersPerRoom     int       `json:"usersPerRoom"`
	StateBytes       int       `json:"stateBytes"`
	ClosedLoop       bool      `json:"closedLoop"`
	HeartbeatsPerSec float64   `json:"heartbeatsPerSec"` // at a fixed rate, of each talker
	Interrupted      bool      `json:"interrupted"`

	// Phases are the ramp-up and the load, in this order; the load is missing
	// if there was none.
	Phases []Phase `json:"phases"`
	// Latencies are of the whole run; those of heartbeats, patches and
	// deliveries leave out the ramp-up.
	Latencies []Latency `json:"latencies"`
	// LatestSeconds is how far the client fell behind its schedule.
	LatestSeconds float64          `json:"latestSeconds"`
	Events        Events           `json:"events"`
	Errors        map[string]int64 `json:"errors"` // by kind
	Examples      []string         `json:"examples"`
	Intervals     []Interval       `json:"intervals"`
}

// Phase is a part of the run, and what it cost.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	// Operation is what was done and Operations how often: what costs are
	// divided by. Counts has each request apart.
	Operation  string           `json:"operation"`
	Operations int64            `json:"operations"`
	Counts     map[string]int64 `json:"counts"`
	Deliveries int64            `json:"deliveries"` // events that arrived
	Processes  []Usage          `json:"processes"`
}

// Usage is what one process used in a phase.
type Usage struct {
	Role           string  `json:"role"` // server, redis or client
	PID            int     `json:"pid"`
	CPUSeconds     float64 `json:"cpuSeconds"` // user and system together
	ResidentBefore int64   `json:"residentBefore"`
	ResidentAfter  int64   `json:"residentAfter"` // bytes
}

// Latency sums up how long one kind of request took, in microseconds.
type Latency struct {
	Op    string  `json:"op"`
	Count int64   `json:"count"`
	Mean  float64 `json:"meanUs"`
	P50   int64   `json:"p50Us"`
	P90   int64   `json:"p90Us"`
	P99   int64   `json:"p99Us"`
	P999  int64   `json:"p999Us"`
	Max   int64   `json:"maxUs"`
	// Curve has more percentiles; not in intervals.
	Curve []Percentile `json:"curve,omitempty"`
}

// Percentile is the time that a share of all requests did not exceed.
type Percentile struct {
	Percent float64 `json:"percent"`
	Us      int64   `json:"us"`
}

// Events compares the events that were due to the users with those that came.
type Events struct {
	Expected   int64 `json:"expected"`
	Received   int64 `json:"received"` // each counted once
	Missing    int64 `json:"missing"`
	Duplicates int64 `json:"duplicates"`
	Reordered  int64 `json:"reordered"` // came after a later one
	// Gaps is how often an event told that one before it had not come.
	Gaps int64 `json:"gaps"`
}

// Interval is a stretch of a few seconds.
type Interval struct {
	Phase       string    `json:"phase"` // empty after the load
	EndSeconds  float64   `json:"endSeconds"`
	Seconds     float64   `json:"seconds"`
	Connections int       `json:"connections"` // at its end
	Deliveries  int64     `json:"deliveries"`
	Errors      int64     `json:"errors"`
	Latencies   []Latency `json:"latencies"`
	Processes   []Share   `json:"processes"`
}

// Share is what one process used in an interval.
type Share struct {
	Role     string  `json:"role"`
	PID      int     `json:"pid"`
	Cores    float64 `json:"cores"` // 1 is the whole of one core
	Resident int64   `json:"resident"`
}

// Progress is how far a run is.
type Progress struct {
	Phase       string
	Done        float64 // of the phase, 0 to 1; 0 if that is not known
	Connections int
	Answers     int64 // to heartbeats and patches
	Errors      int64
}

func (r *run) report() (*Report, error) {
	o := r.observer
	o.cut()
	rep := &Report{
		Workload: r.cfg.Workload, Targets: r.cfg.Targets, Transport: r.cfg.Transport, BaseProtocol: r.cfg.BaseProtocol,
		Started: r.start, Machine: fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		Rooms: r.cfg.Rooms, UsersPerRoom: r.cfg.UsersPerRoom, StateBytes: r.cfg.StateBytes, ClosedLoop: r.cfg.ClosedLoop,
		Interrupted: r.ctx.Err() != nil, Phases: o.phases, Latencies: latencies(&o.total, true),
		LatestSeconds: o.latest.Seconds(), Intervals: o.intervals,
	}
	if r.cfg.paced() {
		rep.HeartbeatsPerSec = r.cfg.HeartbeatsPerSec
	}
	s := r.state()
	rep.Events = Events{
		Expected: s.due, Received: s.came, Missing: s.due - s.came,
		Duplicates: r.verdicts.duplicates.Load(), Reordered: r.verdicts.reordered.Load(), Gaps: r.verdicts.gaps.Load(),
	}
	rep.Errors, rep.Examples = r.failures.result()
	return rep, o.failed
}

var curve = []float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100}

func latencies(t *tally, withCurve bool) []Latency {
	list := []Latency{}
	for i, h := range t.latency {
		if h == nil || op(i) == opLeave {
			continue
		}
		l := Latency{
			Op: opNames[i], Count: h.TotalCount(), Mean: h.Mean(),
			P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90), P99: h.ValueAtQuantile(99), P999: h.ValueAtQuantile(99.9), Max: h.Max(),
		}
		if withCurve {
			for _, p := range curve {
				l.Curve = append(l.Curve, Percentile{p, h.ValueAtQuantile(p)})
			}
		}
		list = append(list, l)
	}
	return list
}

// Err says what was wrong with the run: errors, events that are missing, came
// twice or in the wrong order, or that there was nothing to measure. Nil if all
// went well. An interruption is no fault once the load has begun.
func (r *Report) Err() error {
	var faults []string
	for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
		faults = append(faults, fmt.Sprintf("%d %s", r.Errors[kind], kind))
	}
	for _, f := range []struct {
		count int64
		what  string
	}{
		{r.Events.Missing, "events missing"},
		{r.Events.Gaps, "gaps before events"},
		{r.Events.Duplicates, "duplicate events"},
		{r.Events.Reordered, "events out of order"},
	} {
		if f.count != 0 {
			faults = append(faults, fmt.Sprintf("%d %s", f.count, f.what))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("the load found faults: %s", strings.Join(faults, ", "))
	}
	var operations int64
	for _, p := range r.Phases {
		operations += p.Operations
	}
	if operations == 0 {
		return errors.New("nothing was measured")
	}
	if r.Interrupted && r.phase(phaseLoad) == nil {
		return errors.New("interrupted before the load began")
	}
	return nil
}

func (r *Report) phase(name string) *Phase {
	for i := range r.Phases {
		if r.Phases[i].Name == name {
			return &r.Phases[i]
		}
	}
	return nil
}
