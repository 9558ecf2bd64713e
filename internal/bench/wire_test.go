package bench

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestParsePacket(t *testing.T) {
	for text, want := range map[string]packet{
		"2":                         {kind: kindPing},
		`0{"sid":"x"}`:              {kind: kindOpen, body: []byte(`{"sid":"x"}`)},
		`40{"sid":"x"}`:             {kind: kindConnect, body: []byte(`{"sid":"x"}`)},
		`42["presence:event",{}]`:   {kind: kindEvent, body: []byte(`["presence:event",{}]`)},
		`4312[{"ok":true}]`:         {kind: kindAck, ack: 12, body: []byte(`[{"ok":true}]`)},
		`430[{"a":[1]},{"b":"]["}]`: {kind: kindAck, body: []byte(`[{"a":[1]},{"b":"]["}]`)},
	} {
		got, err := parsePacket([]byte(text))
		if err != nil || got.kind != want.kind || got.ack != want.ack || !bytes.Equal(got.body, want.body) {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "1", "3", "41", "4", "42", "43", "43[]", "431", "43x[]", "43-1[]", `44{"message":"x"}`, "451-[]", "4399999999999999999999[]"} {
		if p, err := parsePacket([]byte(bad)); err == nil {
			t.Errorf("%q was accepted as %+v", bad, p)
		}
	}
}

func TestNumber(t *testing.T) {
	body := []byte(`[{"seq":1795429637679000,"prev":7,"x":-1,"epoch":}]`)
	for field, want := range map[string]int64{`"seq":`: 1795429637679000, `"prev":`: 7} {
		if got, err := number(body, []byte(field)); err != nil || got != want {
			t.Errorf("%s: got %d, %v", field, got, err)
		}
	}
	for _, field := range []string{`"x":`, `"epoch":`, `"none":`} {
		if got, err := number(body, []byte(field)); err == nil {
			t.Errorf("%s: got %d", field, got)
		}
	}
	if got, err := number([]byte(`"seq":`+strings.Repeat("9", 30)), fieldSeq); err == nil {
		t.Errorf("too long: got %d", got)
	}
}

func TestAppendEvent(t *testing.T) {
	got := string(appendEvent([]byte("-"), 7, "presence:heartbeat", []byte(`{"epoch":1}`)))
	if want := `-427["presence:heartbeat",{"epoch":1}]`; got != want {
		t.Errorf("got %s", got)
	}
}

// A client's frame is what another implementation reads.
func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 100_000} {
		payload := bytes.Repeat([]byte("x"), n)
		in := bytes.NewReader(appendFrame(nil, ws.OpText, payload))
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
	c := &conn{in: bufio.NewReaderSize(&stream, readBuffer)}
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
		c := &conn{in: bufio.NewReader(strings.NewReader(frame))}
		if op, payload, err := c.readFrame(); err == nil {
			t.Errorf("%s: got %d %q", name, op, payload)
		}
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add([]byte("2"))
	f.Add([]byte(`40{"sid":"x"}`))
	f.Add(appendEvent(nil, 3, "presence:event", []byte(`{"seq":12,"prev":11}`)))
	f.Add([]byte(`4312[{"ok":true,"seq":12,"self":{"epoch":1}}]`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := parsePacket(frame)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(frame, p.body) {
			t.Errorf("%q is not the end of %q", p.body, frame)
		}
		if n, err := number(p.body, fieldSeq); err == nil && n < 0 {
			t.Errorf("seq %d of %q", n, frame)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x81\x02hi\x88\x00"))
	f.Add(ws.MustCompileFrame(ws.NewTextFrame(bytes.Repeat([]byte("x"), 5000))))
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := &conn{in: bufio.NewReaderSize(bytes.NewReader(stream), 64)}
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
