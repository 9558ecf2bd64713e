package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// op is what a latency is of.
type op int

const (
	opConnect op = iota // from the first byte of the handshake to the namespace
	opJoin
	opResume
	opHeartbeat
	opPatch
	opDelivery // from the sending of a patch to its event at a receiver
	opLeave    // counted, not shown
	opPage     // the next members of a room
	numOps
)

var opNames = [numOps]string{"connect", "join", "resume", "heartbeat", "patch", "delivery", "leave", "page"}

// The range and precision of what is recorded, in µs: three digits, up to a
// minute. What takes longer counts as a minute.
const (
	longestMicros = 60_000_000
	digits        = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longestMicros, digits) }

// recorder collects latencies and counts. Writers spread over its shards.
type recorder struct {
	shards [8]shard
}

type shard struct {
	mu         sync.Mutex
	latency    [numOps]*hdrhistogram.Histogram
	deliveries int64
}

// tally is what came together between two calls of take.
type tally struct {
	latency    [numOps]*hdrhistogram.Histogram // nil for none
	deliveries int64
}

func (r *recorder) shard(i int) *shard { return &r.shards[i%len(r.shards)] }

// record counts one latency; one below a microsecond counts as one.
func (s *shard) record(o op, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(o, d)
}

// deliver counts an event that arrived, and its latency if it has one.
func (s *shard) deliver(d time.Duration, timed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries++
	if timed {
		s.put(opDelivery, d)
	}
}

func (s *shard) put(o op, d time.Duration) {
	if s.latency[o] == nil {
		s.latency[o] = newHistogram()
	}
	// In range by its bounds, so it cannot fail.
	_ = s.latency[o].RecordValue(min(max(d.Microseconds(), 1), longestMicros))
}

// take returns what was recorded since the last call.
func (r *recorder) take() tally {
	var t tally
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		t.deliveries += s.deliveries
		s.deliveries = 0
		for o, h := range s.latency {
			if h != nil && h.TotalCount() > 0 {
				t.merge(op(o), h)
				h.Reset()
			}
		}
		s.mu.Unlock()
	}
	return t
}

func (t *tally) merge(o op, h *hdrhistogram.Histogram) {
	if t.latency[o] == nil {
		t.latency[o] = newHistogram()
	}
	t.latency[o].Merge(h)
}

// add adds another tally.
func (t *tally) add(other tally) {
	t.deliveries += other.deliveries
	for o, h := range other.latency {
		if h != nil {
			t.merge(op(o), h)
		}
	}
}

func (t *tally) count(ops ...op) (n int64) {
	for _, o := range ops {
		if h := t.latency[o]; h != nil {
			n += h.TotalCount()
		}
	}
	return n
}
