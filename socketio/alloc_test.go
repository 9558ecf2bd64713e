package socketio

import (
	"context"
	"testing"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

var ackFrame *engineio.Frame

// An acked event of an inline handler costs two allocations: what makes the Ack
// answer once, and the frame that leaves.
func TestInlineEventAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e := newTCPEnv(t, Config{})
	reply := []byte(`{"ok":true,"changed":false,"epoch":1}`)
	e.root.OnInline("beat", func(_ context.Context, _ *Socket, m *Message) error {
		if m.Arg(0) == nil {
			t.Error("no argument")
		}
		return m.Ack().SendRaw(reply)
	})
	c := e.join("/")
	conn := e.socket(c).conn
	packet := []byte(`212["beat",{"roomId":"r1","epoch":1}]`)
	event := testing.AllocsPerRun(1000, func() { conn.HandleMessage(packet, false) })
	frame := testing.AllocsPerRun(1000, func() { ackFrame = engineio.NewFrame(packet, false) })
	if event > frame+1.5 { // the session's own queue grows now and then
		t.Errorf("an acked event allocates %v times, its frame %v", event, frame)
	}
}

func TestBroadcastAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	server, err := NewServer(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	p, err := NewEvent("/", "news", []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	to := server.Of("/").To("nobody").Local()
	if n := testing.AllocsPerRun(1000, func() { _ = to.Send(context.Background(), p) }); n > 0 {
		t.Errorf("a broadcast allocates %v times", n)
	}
}
