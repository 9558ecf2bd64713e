//go:build unix

package redisstore

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

func TestOpenFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nobody := l.Addr().String()
	must(t, l.Close())
	locked := redistest.Start(t, "--requirepass", "hidden")
	stalled := redistest.Start(t)
	must(t, syscall.Kill(stalled.Pid, syscall.SIGSTOP))
	for name, c := range map[string]struct {
		o    Options
		says string
	}{
		"no URL":         {Options{}, "Options.URL"},
		"no Redis":       {Options{URL: "redis://u:secret@" + nobody}, nobody},
		"wrong password": {Options{URL: "redis://:secret@" + locked.Addr}, locked.Addr},
		"stalled":        {Options{URL: stalled.URL(), DialTimeout: 100 * time.Millisecond}, stalled.Addr},
		"bad scheme":     {Options{URL: "http://u:secret@x"}, "begin with"},
		"bad URL":        {Options{URL: "redis://u:secret@x:port:port"}, "Options.URL"},
		"bad publish":    {Options{URL: "redis://x?publish=loud"}, "publish"},
		"bad prefix":     {Options{URL: "redis://x", Prefix: "a{b}"}, "Options.Prefix"},
	} {
		s, err := Open(t.Context(), c.o)
		if err == nil {
			_ = s.Close(t.Context())
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenWithPasswordAndDatabase(t *testing.T) {
	srv := redistest.Start(t, "--requirepass", "hidden")
	s, err := Open(t.Context(), Options{URL: "redis://:hidden@" + srv.Addr + "/3"})
	must(t, err)
	heard := listen(t, s, "r")
	_, err = store.PutAndWait(t.Context(), s, join("r", "c"))
	must(t, err)
	heard.next(t, "event c")
	must(t, s.Close(t.Context()))
}

func TestOpenUnixSocket(t *testing.T) {
	path := t.TempDir() + "/redis.sock"
	redistest.Start(t, "--unixsocket", path)
	s, err := Open(t.Context(), Options{URL: "unix://" + path})
	must(t, err)
	heard := listen(t, s, "r")
	must(t, s.Publish(t.Context(), "r", []byte("x")))
	heard.next(t, "cast x")
	must(t, s.Close(t.Context()))
}
