package socketio

import "testing"

func BenchmarkParsePacket(b *testing.B) {
	packet := []byte(`212["presence:heartbeat",{"roomId":"room-17","epoch":1,"patchState":{"cursor":{"x":100,"y":200}}}]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parsePacket(packet); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewEventRaw(b *testing.B) {
	payload := []byte(`["presence:event",{"type":"update","roomId":"room-17","userId":"user-42","state":{"cursor":{"x":100,"y":200}},"seq":1795429637679000}]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewEventRaw("/", payload); err != nil {
			b.Fatal(err)
		}
	}
}
