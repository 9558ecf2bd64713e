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
	pid := s.Pid
	s.Restart(t)
	if s.Pid == pid {
		t.Error("the same process")
	}
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestStartCluster(t *testing.T) {
	servers := redistest.StartCluster(t, 3)
	redistest.MoveSlot(t, 0, servers[0], servers[2])
}
