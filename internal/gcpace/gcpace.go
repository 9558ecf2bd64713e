// Package gcpace sets how much garbage a process may gather before the garbage
// collector runs: about the same amount while little is alive, so that a few busy
// connections do not have it run all the time; and half of what is alive when
// that is much, since the runtime's own measure, all of it, doubles the memory
// that a hundred thousand idle connections take.
package gcpace

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	room       = 24 << 20 // bytes of garbage
	minPercent = 50
	maxPercent = 600
	slack      = 10 // percent by which the setting may be off: changing it stops the world
)

// percentFor is the setting for so many bytes of live heap and stacks.
func percentFor(live uint64) int {
	return int(min(max(100*room/max(live, 1), minPercent), maxPercent))
}

// Pace adjusts the collector of this process after each of its runs.
type Pace struct {
	mu      sync.Mutex
	stopped bool
	percent int // in force
	before  int
}

// Start begins, unless GOGC is set in the environment: then the operator has
// decided, and nil is returned. There should be one Pace in a process.
func Start() *Pace {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	p := &Pace{percent: maxPercent, before: debug.SetGCPercent(maxPercent)}
	p.turn()
	return p
}

// Stop ends it and sets what was set before. A nil Pace may be stopped.
func (p *Pace) Stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.stopped = true
		debug.SetGCPercent(p.before)
	}
}

// mark is garbage at once. What becomes of it tells when the collector has run.
type mark struct{ p *Pace }

func (p *Pace) turn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.adjust()
	runtime.SetFinalizer(&mark{p}, func(m *mark) { m.p.turn() })
}

// adjust sets what is right for what is alive now. The lock is held.
func (p *Pace) adjust() {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	var live uint64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			live += s.Value.Uint64()
		}
	}
	want := percentFor(live)
	if 100*want < (100-slack)*p.percent || 100*want > (100+slack)*p.percent {
		debug.SetGCPercent(want)
		p.percent = want
	}
}
