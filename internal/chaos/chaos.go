//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is what a run came to.
type Report struct {
	// Rows has one for each fault that was done, in order.
	Rows []Row
}

// Run does the faults of a topology one after the other and judges each. It
// blocks until that is done, or ctx is. The error is of a run that could not go
// on; what clients were done is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	todo, err := cfg.schedule()
	if err != nil {
		return nil, err
	}
	report := &Report{}
	w, err := newWorld(ctx, cfg)
	if err != nil {
		return report, err
	}
	defer w.close()
	for _, f := range todo {
		row, err := w.round(f)
		report.Rows = append(report.Rows, row)
		if err != nil {
			return report, err
		}
	}
	row, err := w.finish()
	report.Rows = append(report.Rows, row)
	return report, err
}

// schedule lists the faults to do.
func (c *Config) schedule() ([]fault, error) {
	var todo []fault
	if c.Faults == nil {
		for _, f := range faults {
			if f.in == nil || slices.Contains(f.in, c.Topology) {
				todo = append(todo, f)
			}
		}
		return todo, nil
	}
	for _, name := range c.Faults {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no fault %q", name)
		}
		todo = append(todo, faults[i])
	}
	return todo, nil
}

// leftTime bounds the wait until nothing is left: the longest grace that
// somebody was left with, and what may come on top, and then the 10 s for which a room stays
// in the node index.
const leftTime = 55 * time.Second

// finish lets everybody leave, and the nodes stop; nothing may be left in
// Redis then.
func (w *world) finish() (Row, error) {
	w.tally.begin("everybody leaves")
	w.stop()
	r := Row{Topology: w.cfg.Topology, Fault: "everybody leaves"}
	start := time.Now()
	w.endSessions((*client).goodbye)
	var left []string
	var err error
	for end := time.Now().Add(leftTime); ; time.Sleep(100 * time.Millisecond) {
		if left, err = w.store.left(); err != nil {
			return r, err
		}
		if len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	r.Agree = time.Since(start)
	signs, _ := w.store.signs()
	for _, s := range w.slots {
		if n := s.running(); n != nil {
			n.signal(15)
			err = errors.Join(err, n.wait())
		}
	}
	after, lerr := w.store.left()
	if left = append(left, after...); len(left) > 0 {
		w.tally.complain(otherFault, "left in Redis:\n    %s\n    nodes: %q", strings.Join(left, "\n    "), signs)
	}
	w.fill(&r, time.Now())
	return r, errors.Join(err, lerr)
}
