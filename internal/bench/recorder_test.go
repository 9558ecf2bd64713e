package bench

import (
	"sync"
	"testing"
	"time"
)

func TestRecorder(t *testing.T) {
	var r recorder
	var writers sync.WaitGroup
	for w := range 10 {
		writers.Go(func() {
			for i := range 100 {
				r.shard(w).record(opPatch, time.Duration(i+1)*time.Millisecond)
				r.shard(w).deliver(time.Second, i%2 == 0)
			}
		})
	}
	writers.Wait()
	var total tally
	total.add(r.take())
	r.shard(3).record(opPatch, -time.Second)
	r.shard(3).record(opPatch, time.Hour)
	total.add(r.take())
	if total.deliveries != 1000 || total.count(opDelivery) != 500 || total.count(opPatch) != 1002 || total.count(opJoin, opPatch) != 1002 {
		t.Errorf("counted %d deliveries, %d of them timed, %d patches", total.deliveries, total.count(opDelivery), total.count(opPatch))
	}
	h := total.latency[opPatch]
	if p50 := h.ValueAtQuantile(50); p50 < 49_000 || p50 > 52_000 || h.Min() != 1 || h.Max() < longestMicros {
		t.Errorf("p50 %d, min %d, max %d µs", p50, h.Min(), h.Max())
	}
	if empty := r.take(); empty.count(opPatch, opDelivery) != 0 || empty.deliveries != 0 {
		t.Error("what was taken is still there")
	}
}
