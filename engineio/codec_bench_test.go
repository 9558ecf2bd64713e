package engineio

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

func BenchmarkNewFrame(b *testing.B) {
	payload := bytes.Repeat([]byte("x"), 250)
	b.ReportAllocs()
	for b.Loop() {
		NewFrame(payload, false)
	}
}

// BenchmarkFrameParser is one message of a client, unmasked and checked.
func BenchmarkFrameParser(b *testing.B) {
	masked := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`42["presence:heartbeat",{"epoch":1}]`))))
	buffer := make([]byte, len(masked))
	var p frameParser
	b.ReportAllocs()
	for b.Loop() {
		copy(buffer, masked) // it is unmasked in place
		if _, n, err := p.next(buffer, 4096, 1_000_000); err != nil || n != len(masked) {
			b.Fatal(n, err)
		}
	}
}
