package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Sleep waits for its time, and says so when ctx ended before.
func TestSleep(t *testing.T) {
	for name, c := range map[string]struct {
		ends, sleeps, took time.Duration
		want               bool
	}{
		"to the end":       {time.Minute, time.Second, time.Second, true},
		"ctx ends":         {time.Second, time.Minute, time.Second, false},
		"ctx ended before": {0, 0, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), c.ends)
			defer cancel()
			if got, took := Sleep(ctx, System{}, c.sleeps), time.Since(begin); got != c.want || took != c.took {
				t.Errorf("%s: %t after %v", name, got, took)
			}
		})
	}
}
