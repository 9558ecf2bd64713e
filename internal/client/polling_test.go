package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// pollServer answers each GET with the next payload, and keeps what is posted.
type pollServer struct {
	payloads chan string

	mu     sync.Mutex
	posted []string
	news   chan struct{}
}

func startPollServer(t *testing.T, payloads ...string) (*pollServer, *http.Client, string) {
	t.Helper()
	s := &pollServer{payloads: make(chan string, 10), news: make(chan struct{}, 100)}
	for _, p := range payloads {
		s.payloads <- p
	}
	web := httptest.NewServer(s)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		web.Close()
	})
	return s, client, web.URL
}

func (s *pollServer) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Method == http.MethodPost {
		body, _ := io.ReadAll(q.Body)
		s.mu.Lock()
		s.posted = append(s.posted, strings.Split(string(body), separator)...)
		s.mu.Unlock()
		s.news <- struct{}{}
		return
	}
	select {
	case p := <-s.payloads:
		if p == "refuse" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, p)
	case <-q.Context().Done():
	}
}

// sent waits until so many packets were posted.
func (s *pollServer) sent(n int) string {
	for {
		s.mu.Lock()
		all := strings.Join(s.posted, " ")
		count := len(s.posted)
		s.mu.Unlock()
		if count >= n {
			return all
		}
		<-s.news
	}
}

func TestPolling(t *testing.T) {
	s, web, url := startPollServer(t, `0{"sid":"x"}`, `40{"sid":"y"}`, "2"+separator+"6"+separator+`42["a",1]`+separator+`430[{"ok":true}]`)
	c, err := DialPolling(t.Context(), web, url+"/")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, want := range []string{`["a",1]`, `[{"ok":true}]`} {
		if p, err := c.Next(); err != nil || string(p.Body) != want {
			t.Errorf("got %+v, %v, want %s", p, err, want)
		}
	}
	for _, packet := range []string{"one", "two"} {
		if err := c.Write([]byte(packet)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.sent(4); got != "40 3 one two" {
		t.Errorf("posted %s", got)
	}
	s.payloads <- "1"
	if _, err := c.Next(); !errors.Is(err, ErrClosed) {
		t.Errorf("after a close packet: %v", err)
	}
}

func TestPollingRefused(t *testing.T) {
	for name, payloads := range map[string][]string{
		"no handshake": {`40{"sid":"y"}`}, "no namespace": {`0{"sid":"x"}`, `42["a"]`}, "a status": {"refuse"},
	} {
		_, web, url := startPollServer(t, payloads...)
		if _, err := DialPolling(t.Context(), web, url); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	_, web, url := startPollServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := DialPolling(ctx, web, url); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// Close ends a read that waits, and later writes.
func TestPollingClose(t *testing.T) {
	_, web, url := startPollServer(t, `0{"sid":"x"}`, `40{"sid":"y"}`)
	c, err := DialPolling(t.Context(), web, url)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := c.Next()
		ended <- err
	}()
	c.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if err := c.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("write: %v", err)
	}
}
