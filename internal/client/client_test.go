package client

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestParsePacket(t *testing.T) {
	for text, want := range map[string]Packet{
		"2":                         {Kind: ping},
		`0{"sid":"x"}`:              {Kind: Open, Body: []byte(`{"sid":"x"}`)},
		`40{"sid":"x"}`:             {Kind: Connect, Body: []byte(`{"sid":"x"}`)},
		"41":                        {Kind: Disconnect},
		`42["presence:event",{}]`:   {Kind: Event, Body: []byte(`["presence:event",{}]`)},
		`4312[{"ok":true}]`:         {Kind: Ack, Ack: 12, Body: []byte(`[{"ok":true}]`)},
		`430[{"a":[1]},{"b":"]["}]`: {Kind: Ack, Body: []byte(`[{"a":[1]},{"b":"]["}]`)},
	} {
		got, err := ParsePacket([]byte(text))
		if err != nil || got.Kind != want.Kind || got.Ack != want.Ack || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "1", "3", "411", "4", "42", "43", "43[]", "431", "43x[]", "43-1[]", `44{"message":"x"}`, "451-[]", "4399999999999999999999[]"} {
		if p, err := ParsePacket([]byte(bad)); err == nil {
			t.Errorf("%q was accepted as %+v", bad, p)
		}
	}
}

func TestAppendEvent(t *testing.T) {
	got := string(AppendEvent([]byte("-"), 7, "presence:heartbeat", []byte(`{"epoch":1}`)))
	if want := `-427["presence:heartbeat",{"epoch":1}]`; got != want {
		t.Errorf("got %s", got)
	}
}

// A client's frame is what another implementation reads.
func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 100_000} {
		payload := bytes.Repeat([]byte("x"), n)
		in := bytes.NewReader(AppendFrame(nil, ws.OpText, payload))
		header, err := ws.ReadHeader(in)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(in)
		ws.Cipher(got, header.Mask, 0)
		if !header.Fin || !header.Masked || header.OpCode != ws.OpText || header.Length != int64(n) || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: got %+v", n, header)
		}
	}
}

// What another implementation writes is read, whether or not it fits the
// reader's buffer, and however many frames follow each other.
func TestReadFrame(t *testing.T) {
	sizes := []int{0, 1, 125, 126, readBuffer - 1, readBuffer, readBuffer + 1, 65535, 65536, 3}
	var stream bytes.Buffer
	for i, n := range sizes {
		if err := ws.WriteFrame(&stream, ws.NewTextFrame(bytes.Repeat([]byte{byte('a' + i)}, n))); err != nil {
			t.Fatal(err)
		}
	}
	c := &Conn{in: bufio.NewReaderSize(&stream, readBuffer)}
	for i, n := range sizes {
		op, payload, err := c.readFrame()
		if err != nil || op != ws.OpText || !bytes.Equal(payload, bytes.Repeat([]byte{byte('a' + i)}, n)) {
			t.Fatalf("frame %d of %d bytes: got %d bytes of opcode %d, %v", i, n, len(payload), op, err)
		}
	}
	if _, _, err := c.readFrame(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestReadFrameRefuses(t *testing.T) {
	for name, frame := range map[string]string{
		"a fragment":     "\x01\x01x",
		"compression":    "\xc1\x01x",
		"a masked frame": "\x81\x81abcdx",
		"a huge frame":   "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
		"half a header":  "\x81\x7e\x00",
		"half a payload": "\x81\x05xx",
	} {
		c := &Conn{in: bufio.NewReader(strings.NewReader(frame))}
		if op, payload, err := c.readFrame(); err == nil {
			t.Errorf("%s: got %d %q", name, op, payload)
		}
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add([]byte("2"))
	f.Add([]byte(`40{"sid":"x"}`))
	f.Add(AppendEvent(nil, 3, "presence:event", []byte(`{"seq":12,"prev":11}`)))
	f.Add([]byte(`4312[{"ok":true,"seq":12,"self":{"epoch":1}}]`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := ParsePacket(frame)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(frame, p.Body) {
			t.Errorf("%q is not the end of %q", p.Body, frame)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x81\x02hi\x88\x00"))
	f.Add(ws.MustCompileFrame(ws.NewTextFrame(bytes.Repeat([]byte("x"), 5000))))
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := &Conn{in: bufio.NewReaderSize(bytes.NewReader(stream), 64)}
		for {
			_, payload, err := c.readFrame()
			if err != nil {
				return
			}
			if len(payload) > len(stream) {
				t.Fatalf("a frame of %d bytes in %d", len(payload), len(stream))
			}
		}
	})
}
