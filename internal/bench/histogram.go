package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	subBits    = 5 // 32 steps for each power of two: an error below 3.2 %
	subBuckets = 1 << subBits
	numBuckets = (65 - subBits) * subBuckets
)

// Histogram counts durations in buckets whose width grows with the value. The
// zero value is empty; Record may be called from any goroutine.
type Histogram struct {
	buckets [numBuckets]atomic.Int64
	count   atomic.Int64
}

// Record counts one duration; a negative one counts as 0.
func (h *Histogram) Record(d time.Duration) {
	h.buckets[bucketOf(uint64(max(d, 0)))].Add(1)
	h.count.Add(1)
}

// Count is how many durations were recorded.
func (h *Histogram) Count() int64 {
	return h.count.Load()
}

// Quantile returns the least bucket limit that the share q (0 to 1) of all
// durations does not exceed; 0 when there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int64(q * float64(h.count.Load()))
	for i := range h.buckets {
		n := h.buckets[i].Load()
		if n > 0 && rank < n {
			return time.Duration(bucketLimit(i))
		}
		rank = max(rank-n, 0)
	}
	return time.Duration(h.highest())
}

func (h *Histogram) highest() uint64 {
	for i := numBuckets - 1; i >= 0; i-- {
		if h.buckets[i].Load() > 0 {
			return bucketLimit(i)
		}
	}
	return 0
}

// bucketOf numbers the buckets: below subBuckets one for each value, then
// subBuckets for each power of two.
func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift*subBuckets + int(v>>shift)
}

// bucketLimit is the highest value of a bucket.
func bucketLimit(i int) uint64 {
	if i < subBuckets {
		return uint64(i)
	}
	shift := i/subBuckets - 1
	return uint64(i-shift*subBuckets+1)<<shift - 1
}
