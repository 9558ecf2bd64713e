package wire

import (
	"encoding/json"
	"testing"
	"time"
)

func BenchmarkParseHeartbeat(b *testing.B) {
	payload := []byte(`{"roomId":"room-17","epoch":1,"patchState":{"cursor":{"x":100,"y":200}}}`)
	l := Limits{IDBytes: 256, StateBytes: 16 << 10}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseHeartbeat(payload, l); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHeartbeatAck(b *testing.B) {
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = AppendHeartbeatAck(out[:0], HeartbeatAck{Epoch: 3, Seq: 1_795_429_637_679_000, Changed: true})
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	e := &Shown{Event: Event{
		Type: EventUpdate, RoomID: "room-17", UserID: "user-42", ConnID: "Zm9vYmFyYmF6cXV4",
		State: json.RawMessage(`{"name":"Someone","cursor":{"x":100,"y":200}}`), Time: time.UnixMilli(1_795_429_637_679),
		Epoch: 3, Seq: 1_795_429_637_679_000, Prev: 1_795_429_637_678_999, UserConns: 1, Status: StatusOnline,
	}}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out, _ = AppendEvent(out[:0], e)
	}
	b.SetBytes(int64(len(out)))
}

// What is written over and over for every event and ack needs no memory of its
// own.
func TestAppendAllocations(t *testing.T) {
	e := &Shown{Event: Event{
		Type: EventUpdate, RoomID: "r", UserID: "u", ConnID: "c", State: json.RawMessage(`{"a":1}`), Seq: 9, Prev: 8, Status: StatusOnline,
	}}
	out := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		out, _ = AppendEvent(out[:0], e)
		out = AppendHeartbeatAck(out[:0], HeartbeatAck{Epoch: 3})
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
