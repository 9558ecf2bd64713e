//go:build !race

package presence_test

import (
	"fmt"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

// A heartbeat without a patch costs three allocations at most, the client's
// side included: it never leaves the node, and its ack is all that is made.
func TestHeartbeatAllocations(t *testing.T) {
	m := benchJoin(t, benchServer(t), "room", "user")
	n := testing.AllocsPerRun(1000, func() {
		m.send("presence:heartbeat", beat)
		m.await(client.Ack)
	})
	if n > 3 {
		t.Errorf("a heartbeat allocates %v times, want 3 at most", n)
	}
}

// A patch in memory, with its event to one member: what the state's new text,
// the event and the store's copy need.
func TestPatchAllocations(t *testing.T) {
	m := benchJoin(t, benchServer(t), "room", "user")
	payload := []byte(nil)
	i := 0
	n := testing.AllocsPerRun(300, func() {
		i++
		payload = fmt.Appendf(payload[:0], `{"epoch":1,"patchState":{"cursor":{"x":%d,"y":200}}}`, i)
		m.send("presence:heartbeat", payload)
		m.answered()
	})
	if n > 32 {
		t.Errorf("a patch allocates %v times, want 32 at most", n)
	}
}
