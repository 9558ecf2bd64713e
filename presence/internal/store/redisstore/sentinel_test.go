//go:build unix

package redisstore

import (
	"context"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// A master behind Sentinels, in use, is replaced again and again.
func TestSentinelFaults(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 2, 3)
	all := startChat(t, "chat", 6, Options{URL: s.URL()})
	for _, f := range []struct {
		name  string
		fault func(ctx context.Context, t *testing.T, m *redistest.Server)
	}{
		{"failover on request", func(ctx context.Context, t *testing.T, _ *redistest.Server) {
			_, err := s.Failover(ctx)
			must(t, err)
		}},
		{"frozen master", func(ctx context.Context, t *testing.T, m *redistest.Server) {
			must(t, m.Pause())
			_, err := s.Promoted(ctx, m)
			must(t, err)
		}},
		{"killed master and frozen sentinel", func(ctx context.Context, t *testing.T, m *redistest.Server) {
			must(t, s.Sentinels[0].Pause()) // the one that the store listens to
			m.Stop()
			_, err := s.Promoted(ctx, m)
			must(t, err)
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*healTime)
			defer cancel()
			m, err := s.Master()
			must(t, err)
			all.begin(t)
			time.Sleep(200 * time.Millisecond)
			f.fault(ctx, t, m)
			all.heal(hurtAll, true)
			if !m.Stopped() {
				must(t, m.Resume())
			}
		})
	}
}

func hurtAll(int) bool { return true }
