package node

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// stepped is a time after somebody set the wall clock forward: its monotonic half goes on
// as before. The seconds of the wall clock are bits 30 to 62 of a time's first word, which
// no function of package time can change alone.
func stepped(t time.Time, seconds uint64) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += seconds << 30
	return t
}

// A step of the node's wall clock does not change what it takes for the store's time.
func TestStoreClockIgnoresTheWallClock(t *testing.T) {
	var c StoreClock
	now := time.Now()
	c.Learn(now, now, 1_000_000)
	later := stepped(now.Add(time.Second), 7200)
	if later.Round(0).Sub(now.Round(0)) < time.Hour || later.Sub(now) != time.Second {
		t.Fatal("the clock of the test does not step as it should")
	}
	if got := c.At(later); got != 1_001_000 {
		t.Errorf("a second after 1 000 000 ms it was %d", got)
	}
}

// An answer that took long changes what a node knows of the store's time by no more than it
// says. A clock that was set shows at once.
func TestStoreClockLearnsFromQuickAnswers(t *testing.T) {
	begin := time.Now()
	type answer struct {
		sent, took time.Duration
		storeMs    int64
	}
	first := answer{0, 2 * time.Millisecond, 1_000_001}
	for name, c := range map[string]struct {
		answers []answer
		want    int64 // 10 s after begin
	}{
		"one answer":              {[]answer{first}, 1_010_000},
		"a slow one that agrees":  {[]answer{first, {time.Second, 2 * time.Second, 1_001_100}}, 1_010_000},
		"it cannot be so early":   {[]answer{first, {time.Second, 100 * time.Millisecond, 1_003_000}}, 1_011_900},
		"it cannot be so late":    {[]answer{first, {time.Second, 100 * time.Millisecond, 1_000_500}}, 1_009_500},
		"set forward by a minute": {[]answer{first, {4 * time.Second, 0, 1_064_000}}, 1_070_000},
	} {
		var clock StoreClock
		if got := clock.At(begin); got != begin.UnixMilli() {
			t.Errorf("before the first answer: %d, want the node's own time", got)
		}
		for _, a := range c.answers {
			sent := begin.Add(a.sent)
			clock.Learn(sent, sent.Add(a.took), a.storeMs)
		}
		if got := clock.At(begin.Add(10 * time.Second)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// The store's clock is set by a minute, forward or back. A life sign that may declare
// others dead names the time after which it does nothing: taken for late, it fails, until
// the node is not trusted any more and its life signs name no time.
func TestALifeSignAfterTheStoresClockWasSet(t *testing.T) {
	for _, step := range []time.Duration{time.Minute, -time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var shift atomic.Int64
			mem := memstore.New(memstore.Options{Now: func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }})
			runWorld(t, mem, 1, func(w *world) {
				shift.Store(int64(step))
				time.Sleep(testLease)
				now := time.Now()
				if d := w.all[0].Time.At(now) - now.Add(step).UnixMilli(); d < -1 || d > 1 {
					t.Errorf("after a step of %v the node is wrong by %d ms", step, d)
				}
			})
		})
	}
}
