package engine

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/node"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// steppedClock is the system's after somebody set it forward; its monotonic
// half goes on as before.
type steppedClock struct {
	clock.System
	step atomic.Int64 // seconds
}

// Now changes the seconds of the wall clock, bits 30 to 62 of a time's first
// word, which no function of package time can do.
func (c *steppedClock) Now() time.Time {
	now := time.Now()
	*(*uint64)(unsafe.Pointer(&now)) += uint64(c.step.Load()) << 30
	return now
}

// A step of the node's wall clock does not change what it takes for the
// store's time.
func TestStoreTimeIgnoresTheWallClock(t *testing.T) {
	st := memstore.New(memstore.Options{})
	defer st.Close(t.Context())
	c := new(steppedClock)
	e, err := newEngine(t.Context(), testSettings, st, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	before := e.StoreNow()
	c.step.Store(7200)
	if now := c.Now(); time.Until(now) > time.Hour || time.Until(now.Round(0)) < time.Hour {
		t.Fatal("the clock of the test does not step as it should")
	}
	if stepped := e.StoreNow() - before; stepped > time.Hour.Milliseconds() {
		t.Errorf("the store's time went forward by %d ms with the wall clock", stepped)
	}
}

// An answer that took long changes what a node knows of the store's time by no
// more than it says; a clock that was set shows at once.
func TestStoreTimeIsLearntFromQuickAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(node.StoreClock)
		begin := time.Now()
		c.Learn(begin, begin.Add(2*time.Millisecond), 1_000_001)
		at := func(after time.Duration) int64 { return c.At(begin.Add(after)) - 1_000_000 }
		c.Learn(begin.Add(time.Second), begin.Add(3*time.Second), 1_001_100)
		if got := at(10 * time.Second); got != 10_000 {
			t.Errorf("a slow answer that agrees made 10 000 ms %d", got)
		}
		c.Learn(begin.Add(4*time.Second), begin.Add(4*time.Second), 1_064_000)
		if got := at(10 * time.Second); got != 70_000 {
			t.Errorf("a clock that was set forward by a minute made 10 000 ms %d", got)
		}
	})
}

// The store's clock is set back, as by a failover, when a room has no record: the next
// record counts from below the one before. A node that has the room open all the time
// shows the new member at once.
func TestARecordThatBeginsBelowTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step atomic.Int64
		mem := memstore.New(memstore.Options{Now: func() time.Time { return time.Now().Add(time.Duration(step.Load())) }})
		runWorld(t, mem, 2, func(w *world) {
			sub, _, err := w.nodes[0].Rooms.Subscribe(t.Context(), "r", func(wire.Event) {})
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			a := w.connect(w.nodes[0], "a")
			a.join("r", "ann", "")
			a.send("leave", "{}").wait()
			step.Store(-int64(2 * time.Second))
			time.Sleep(time.Second) // the nodes learn of it
			w.connect(w.nodes[1], "b").join("r", "bob", "")
			synctest.Wait()
			if members, err := w.nodes[0].Rooms.MembersOf(t.Context(), "r"); err != nil || len(members) != 1 {
				t.Errorf("the other node shows %v, %v", members, err)
			}
		})
	})
}
