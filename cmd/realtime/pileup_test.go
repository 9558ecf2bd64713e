//go:build unix

package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// When Redis does not answer, connections that end all at once wait without a
// goroutine each.
func TestMassDisconnectWhileRedisIsFrozen(t *testing.T) {
	const connections = 400
	redis := redistest.Start(t)
	p := start(t, []string{"REDIS_URL=" + redis.URL(), "LOG_LEVEL=debug"}, "serve")
	url := p.url()
	var clients []*client
	for i := range connections {
		c := dial(t, url)
		c.join(fmt.Sprintf(`{"roomId":"r%d","userId":"u"}`, i))
		clients = append(clients, c)
	}
	if err := syscall.Kill(redis.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		_ = c.conn.Close()
	}
	p.stderr.awaitCount(t, "session closed", connections)
	p.signal(syscall.SIGQUIT) // the runtime prints every goroutine, and ends
	<-p.exited
	running := strings.Count(p.stderr.String(), "\ngoroutine ")
	t.Logf("%d goroutines for %d connections that ended", running, connections)
	if running < 10 || running > connections/2 {
		t.Errorf("%d goroutines for %d connections that ended", running, connections)
	}
}

// awaitCount waits until a text came so many times.
func (s *stream) awaitCount(t *testing.T, part string, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		count, ended, more := strings.Count(s.text.String(), part), s.ended, s.more
		s.mu.Unlock()
		if count >= n {
			return
		}
		if ended {
			t.Fatalf("%q came only %d times", part, count)
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%q came only %d times", part, count)
		}
	}
}
