//go:build unix

package chaos

import (
	"os"
	"strings"
	"sync"
	"time"
)

// stalls watches how long this process is kept from running: what happens on a
// machine that stands still is nobody's fault.
type stalls struct {
	mu    sync.Mutex
	worst time.Duration
	done  chan struct{}
	end   sync.WaitGroup
}

func watchStalls() *stalls {
	s := &stalls{done: make(chan struct{})}
	s.end.Go(func() {
		const step = 50 * time.Millisecond
		ticker := time.NewTicker(step)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
			case <-s.done:
				return
			}
			now := time.Now()
			s.mu.Lock()
			s.worst = max(s.worst, now.Sub(last)-step)
			s.mu.Unlock()
			last = now
		}
	})
	return s
}

// take returns the longest stall since it was last asked.
func (s *stalls) take() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	worst := s.worst
	s.worst = 0
	return worst
}

func (s *stalls) close() {
	close(s.done)
	s.end.Wait()
}

// loadAverage is that of the last minute, "?" where the system does not tell.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	load, _, _ := strings.Cut(string(text), " ")
	return load
}
