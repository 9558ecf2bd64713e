package largenode

import (
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/procstat"
)

// Memory is what the process has, in bytes.
type Memory struct {
	// Resident is what it had, Settled what was left after a collection of all garbage whose pages
	// the system got back.
	Resident, Settled int64
}

func readMemory() (m Memory, err error) {
	before, err := procstat.Read(os.Getpid())
	if err != nil {
		return Memory{}, err
	}
	for range 2 { // pools drop what they have only then
		debug.FreeOSMemory()
	}
	after, err := procstat.Read(os.Getpid())
	return Memory{before.Resident, after.Resident}, err
}

// Span is a time of a run, and what happened in it.
type Span struct {
	Took  time.Duration
	CPU   time.Duration // of the whole process
	Pings int64
	// How late they were at most: the control loop, pings, life signs; and the longest time from a
	// request of the probe to its answer, and from a patch to its event. Negative: not measured.
	Control, Ping, Sign, Answer, Event time.Duration
	// Collections is how often garbage was collected; Pause is the longest that all goroutines stood
	// still for it.
	Collections uint64
	Pause       time.Duration
}

// meter measures one span after the other.
type meter struct {
	crowd   *crowd
	control *controlLoop
	// nil: not measured
	sign  *Lateness
	probe *probe

	began  time.Time
	cpu    time.Duration
	pings  int64
	gc     uint64
	pauses *metrics.Float64Histogram
}

// start begins a span.
func (m *meter) start() error {
	if _, err := m.end(); err != nil { // of the time before
		return err
	}
	return nil
}

// end ends the span that began with the last call, and begins the next one.
func (m *meter) end() (Span, error) {
	used, err := procstat.Read(os.Getpid())
	if err != nil {
		return Span{}, fmt.Errorf("measuring: %w", err)
	}
	gc, pauses := readCollector()
	now, pings := time.Now(), m.crowd.pings.Load()
	s := Span{
		Took: now.Sub(m.began), CPU: used.CPU - m.cpu, Pings: pings - m.pings,
		Control: m.control.late.Take(), Ping: m.crowd.pingLate.Take(), Sign: -1, Answer: -1, Event: -1,
		Collections: gc - m.gc, Pause: longestSince(m.pauses, pauses),
	}
	if m.sign != nil {
		s.Sign = m.sign.Take()
	}
	if m.probe != nil {
		s.Answer, s.Event = m.probe.answer.Take(), m.probe.event.Take()
	}
	m.began, m.cpu, m.pings, m.gc, m.pauses = now, used.CPU, pings, gc, pauses
	return s, nil
}

// readCollector returns how many collections there were, and how long they stopped the world.
func readCollector() (uint64, *metrics.Float64Histogram) {
	samples := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Float64Histogram()
}

// longestSince returns the upper end of the highest bucket that has grown.
func longestSince(before, after *metrics.Float64Histogram) time.Duration {
	for i := len(after.Counts) - 1; i >= 0; i-- {
		if after.Counts[i] > 0 && (before == nil || after.Counts[i] > before.Counts[i]) {
			return time.Duration(after.Buckets[i+1] * float64(time.Second))
		}
	}
	return 0
}
