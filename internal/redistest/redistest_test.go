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
