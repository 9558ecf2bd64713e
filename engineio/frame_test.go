package engineio

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// A frame is what another implementation of the protocol reads.
func TestFrameWire(t *testing.T) {
	for _, n := range []int{0, 1, 93, 94, 124, 125, 126, 200, 0xfffe, 0xffff, 0x10000} {
		for _, binary := range []bool{false, true} {
			payload := bytes.Repeat([]byte("p"), n)
			f := NewFrame(payload, binary)
			if n > 0 {
				payload[0] = 'q' // ours is a copy
			}
			want, op := strings.Repeat("p", n), ws.OpBinary
			if !binary {
				want, op = "4"+want, ws.OpText
			}
			r := bytes.NewReader(f.wire)
			h, err := ws.ReadHeader(r)
			if err != nil || h.OpCode != op || !h.Fin || h.Masked || h.Length != int64(len(want)) {
				t.Errorf("%d bytes: header %+v, %v", n, h, err)
			}
			if got := f.wire[len(f.wire)-r.Len():]; string(got) != want || string(f.payload()) != want {
				t.Errorf("%d bytes, binary %v: wrong payload", n, binary)
			}
		}
	}
}

// chunks puts the frames together again whatever their sizes.
func TestQueueChunks(t *testing.T) {
	for _, sizes := range [][]int{{}, {0}, {10}, {10, 20}, {100, 1}, {1, 100}, {40, 40, 40}, {200, 300}, {1, 300, 1, 1}} {
		var q frameQueue
		var want []byte
		for i, n := range sizes {
			f := NewFrame(bytes.Repeat([]byte{byte(i)}, n), true)
			q.frames = append(q.frames, f)
			want = append(want, f.wire...)
		}
		buf := make([]byte, 0, 100)
		var got []byte
		for p := q.chunk(buf); p != nil; p = q.chunk(buf) {
			if len(p) == 0 {
				t.Fatal("an empty chunk")
			}
			got = append(got, p...)
		}
		if !bytes.Equal(got, want) || !q.empty() {
			t.Errorf("sizes %v: %d bytes, want %d", sizes, len(got), len(want))
		}
	}
}

func TestQueueBatch(t *testing.T) {
	var q frameQueue
	for _, text := range []string{"aaa", "bbb", "cccc", "d"} { // 4, 4, 5 and 2 bytes as packets
		q.frames = append(q.frames, NewFrame([]byte(text), false))
	}
	q.frames = append(q.frames, NewFrame([]byte{1, 2, 3, 4}, true)) // 9 bytes
	for _, want := range []string{"4aaa\x1e4bbb", "4cccc\x1e4d", "bAQIDBA=="} {
		if got, _, _ := q.batch(9, math.MaxInt); len(got) != 1 || string(got[0]) != want {
			t.Errorf("batch %q, want %q", got, want)
		}
	}
	if !q.empty() {
		t.Error("something is left")
	}
}

// FuzzPayload checks that what is taken apart is put together again.
func FuzzPayload(f *testing.F) {
	var payload []byte
	for _, frame := range []*Frame{NewFrame([]byte("hello"), false), NewFrame([]byte{1, 2, 3, 0x1e}, true), pingFrame, closePacket, probeAnswer, NewFrame(nil, true)} {
		payload = appendPacket(payload, frame, false)
		f.Add(payload)
	}
	f.Add([]byte("4a\x1e"))
	f.Add([]byte("\x1e\x1e"))
	f.Add([]byte("b*"))
	f.Add([]byte("4hello\x1ebAQIDHg")) // not padded
	f.Fuzz(func(t *testing.T, payload []byte) {
		var again []byte
		for rest := payload; ; {
			packet, binary, more, err := cutPacket(rest)
			if err != nil {
				return
			}
			if binary {
				again = appendPacket(again, NewFrame(packet, true), false)
			} else {
				again = appendPacket(again, newPacket(string(packet)), false)
			}
			if rest = more; len(rest) == 0 {
				break
			}
		}
		if !bytes.Equal(again, payload) && !sameBase64(again, payload) {
			t.Errorf("%q became %q", payload, again)
		}
	})
}

// sameBase64 allows for what the decoder overlooks in base64: line ends, bits behind the end, and
// padding that is left out.
func sameBase64(a, b []byte) bool {
	as, bs := bytes.Split(a, []byte{separator}), bytes.Split(b, []byte{separator})
	return slices.EqualFunc(as, bs, func(a, b []byte) bool {
		if len(a) == 0 || len(b) == 0 || a[0] != packetBinary || b[0] != packetBinary {
			return bytes.Equal(a, b)
		}
		x, err1 := unpadded(a[1:])
		y, err2 := unpadded(b[1:])
		return err1 == nil && err2 == nil && bytes.Equal(x, y)
	})
}

func unpadded(text []byte) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("\r", "", "\n", "").Replace(string(text)), "="))
}

// parseAll feeds wire to a parser in reads of the given sizes, through a buffer of room bytes, and
// returns what came out.
func parseAll(t testing.TB, wire []byte, room, limit, step int) (got []string, err error) {
	var p frameParser
	buf := make([]byte, room)
	have := 0
	for len(wire) > 0 {
		if have == room {
			t.Fatal("the parser leaves no room to read into")
		}
		n := copy(buf[have:min(room, have+step)], wire)
		wire = wire[n:]
		have += n
		b := buf[:have]
		for {
			m, n, err := p.next(b, room, limit)
			if err != nil {
				return got, err
			}
			b = b[n:]
			if m.op != 0 {
				got = append(got, fmt.Sprintf("%d %s", m.op, m.data))
				if len(m.data) > max(limit, ws.MaxControlFramePayloadSize) {
					t.Fatal("a message over the limit")
				}
			} else if n == 0 {
				break
			}
		}
		have = copy(buf, b)
	}
	return got, nil
}

// FuzzFrames checks that the way a stream is cut into reads changes nothing.
func FuzzFrames(f *testing.F) {
	seed := func(frames ...ws.Frame) {
		var wire []byte
		for _, frame := range frames {
			wire = append(wire, ws.MustCompileFrame(ws.MaskFrame(frame))...)
		}
		f.Add(wire, uint8(1))
		f.Add(wire, uint8(50))
	}
	long := bytes.Repeat([]byte("long"), 100)
	seed(ws.NewTextFrame([]byte("4hello")), ws.NewBinaryFrame([]byte{1, 2}), ws.NewTextFrame(nil))
	seed(ws.NewFrame(ws.OpText, false, []byte("4o")), ws.NewPingFrame(nil), ws.NewFrame(ws.OpContinuation, true, []byte("ne")))
	seed(ws.NewTextFrame(long), ws.NewFrame(ws.OpText, false, long), ws.NewFrame(ws.OpContinuation, false, nil), ws.NewFrame(ws.OpContinuation, true, long))
	seed(ws.NewTextFrame(bytes.Repeat(long, 3)))
	seed(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye")))
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, uint8(3))
	f.Add(ws.MustCompileFrame(ws.NewTextFrame([]byte("unmasked"))), uint8(3))
	f.Fuzz(func(t *testing.T, wire []byte, step uint8) {
		const limit = 1000
		whole, err1 := parseAll(t, wire, 1<<16, limit, 1<<16)
		cut, err2 := parseAll(t, wire, 256, limit, 1+int(step))
		if !slices.Equal(whole, cut) {
			t.Errorf("in one read %q, in several %q", whole, cut)
		}
		if (err1 == nil) != (err2 == nil) || err1 != nil && err1.Error() != err2.Error() {
			t.Errorf("in one read %v, in several %v", err1, err2)
		}
	})
}

func TestParserKeepsLittle(t *testing.T) {
	var p frameParser
	claim := append([]byte{0x82, 0xff}, 0, 0, 0, 0, 0, 0x0f, 0, 0, 1, 2, 3, 4, 9, 9)
	if _, n, err := p.next(claim, 256, 1<<20); n != len(claim) || err != nil {
		t.Fatal(n, err)
	}
	if c := cap(p.part.data); c > 64 {
		t.Errorf("%d bytes held for 2 that came", c)
	}
}
