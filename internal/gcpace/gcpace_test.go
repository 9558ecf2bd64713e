package gcpace

import (
	"runtime"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 600}, {1 << 20, 600}, {8 << 20, 300}, {24 << 20, 100}, {40 << 20, 60}, {1 << 40, 50}} {
		if got := percentFor(c.live); got != c.want {
			t.Errorf("%d bytes: %d %%, want %d", c.live, got, c.want)
		}
	}
}

// The setting follows what is alive, up and down, until Stop.
func TestPaceFollows(t *testing.T) {
	t.Setenv("GOGC", "")
	p := Start()
	defer p.Stop()
	wait := func(what string, ok func(percent int) bool) {
		t.Helper()
		percent := func() int {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.percent
		}
		for deadline := time.Now().Add(20 * time.Second); !ok(percent()); runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d %%", what, percent())
			}
			runtime.GC()
		}
	}
	alive := make([]byte, 100<<20)
	wait("with 100 MB alive", func(n int) bool { return n < minPercent+minPercent*slack/50 })
	runtime.KeepAlive(alive)
	alive = nil
	wait("with nothing alive", func(n int) bool { return n > 2*minPercent })
	p.Stop()
	if p.before <= 0 {
		t.Errorf("%d %% was set before", p.before)
	}
}

func TestGOGCStands(t *testing.T) {
	t.Setenv("GOGC", "80")
	p := Start()
	defer p.Stop()
	if p != nil {
		t.Error("it is adjusted although GOGC is set")
	}
}
