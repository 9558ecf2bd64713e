package serial

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
)

// A shared context never ends before the deadline it was asked for, and little
// later; and none is kept when it has ended.
func TestSharedDeadlines(t *testing.T) {
	for _, timeout := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := NewDeadlines(t.Context(), clock.System{}, timeout)
			distinct := make(map[context.Context]bool)
			const asked = 1000
			for i := range asked {
				deadline := time.Now().Add(timeout)
				if i%2 == 1 { // one that has waited
					deadline = deadline.Add(-timeout / 3)
				}
				ctx := d.Shared(deadline)
				distinct[ctx] = true
				if end, ok := ctx.Deadline(); !ok || end.Before(deadline) || end.Sub(deadline) > timeout/20+1 {
					t.Fatalf("asked for %v, got %v", deadline, end)
				}
				time.Sleep(timeout / asked)
			}
			if n := len(distinct); n > asked/3 {
				t.Errorf("%d contexts for %d requests", n, asked)
			}
			time.Sleep(2 * timeout)
			synctest.Wait()
			if n := len(d.open); n > 0 {
				t.Errorf("%d contexts are kept", n)
			}
		})
	}
}
