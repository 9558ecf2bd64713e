package redistest_test

import (
	"net"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

func TestStart(t *testing.T) {
	var first, second *redistest.Server
	t.Run("running", func(t *testing.T) {
		first, second = redistest.Start(t), redistest.Start(t, "--maxclients", "50")
		if first.Addr == second.Addr || first.Pid == second.Pid {
			t.Errorf("%+v and %+v", first, second)
		}
		c, err := net.Dial("tcp", first.Addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	})
	if c, err := net.Dial("tcp", first.Addr); err == nil {
		_ = c.Close()
		t.Error("still running after its test")
	}
}

func TestRestart(t *testing.T) {
	s := redistest.Start(t)
	pid, addr := s.Pid, s.Addr
	want(t, s, "OK", "SET", "k", "v")
	must(t, s.StartWithData())
	want(t, s, "v", "GET", "k")
	must(t, s.StartEmpty())
	want(t, s, "", "GET", "k")
	if s.Pid == pid || s.Addr != addr {
		t.Errorf("process %d at %s, after %d at %s", s.Pid, s.Addr, pid, addr)
	}
}

func want(t *testing.T, s *redistest.Server, answer string, cmd ...string) {
	t.Helper()
	got, err := s.Do(cmd...)
	if err != nil || len(got) != 1 || got[0] != answer {
		t.Fatalf("%q answered %q %v, want %q", cmd, got, err, answer)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
