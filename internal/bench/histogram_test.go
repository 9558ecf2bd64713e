package bench

import (
	"math"
	"testing"
	"time"
)

func TestHistogramBuckets(t *testing.T) {
	for _, v := range []uint64{0, 1, 31, 32, 33, 63, 64, 65, 1000, 1e6, 1e9, math.MaxInt64, math.MaxUint64} {
		i := bucketOf(v)
		if i < 0 || i >= numBuckets {
			t.Fatalf("%d falls into bucket %d of %d", v, i, numBuckets)
		}
		if limit := bucketLimit(i); v > limit || float64(limit-v) > float64(v)/subBuckets {
			t.Errorf("%d is in a bucket up to %d", v, limit)
		}
		if i > 0 && bucketLimit(i-1) >= v {
			t.Errorf("%d belongs into a bucket below %d", v, i)
		}
	}
}

func TestHistogramQuantiles(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
	for i := 1; i <= 1000; i++ {
		h.Record(time.Duration(i) * time.Microsecond)
	}
	h.Record(-time.Second)
	if h.Count() != 1001 {
		t.Errorf("count %d", h.Count())
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: 1000 * time.Microsecond} {
		got := h.Quantile(q)
		if got < want*99/100 || got > want*104/100 {
			t.Errorf("quantile %v is %v, want about %v", q, got, want)
		}
	}
	if got := h.Quantile(0); got != 0 {
		t.Errorf("the least is %v, want 0", got)
	}
}
