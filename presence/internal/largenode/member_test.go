package largenode

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// What a server writes is understood wherever it is cut.
func TestReceiveInParts(t *testing.T) {
	long := `42["presence:event",{"reason":"node_lost","pad":"` + strings.Repeat("x", 200) + `"}]`
	frame := func(text string) string {
		if len(text) < 126 {
			return "\x81" + string(rune(len(text))) + text
		}
		return "\x81\x7e" + string([]byte{byte(len(text) >> 8), byte(len(text))}) + text
	}
	whole := []byte("HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(`0{"sid":"x"}`) + frame(`40{"sid":"y"}`) +
		frame(`430[{"ok":true}]`) + frame("2") + frame(long) + frame("2"))
	for cut := range whole {
		c := newCrowd(1, 0, time.Hour)
		c.slots <- struct{}{}
		m := c.members[0]
		for _, part := range [][]byte{whole[:cut], whole[cut:]} {
			if n := m.Receive(bytes.Clone(part)); n != len(part) {
				t.Fatalf("cut at %d: %d of %d bytes taken", cut, n, len(part))
			}
		}
		if err := c.err(); err != nil || c.joined.Load() != 1 || c.pings.Load() != 2 || c.reaped.Load() != 1 {
			t.Errorf("cut at %d: %v; %d joined, %d pings, %d reaped", cut, err, c.joined.Load(), c.pings.Load(), c.reaped.Load())
		}
	}
}

// What no server should write is a failure.
func TestReceiveRefuses(t *testing.T) {
	const open = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	const lost = "\x81\x2e" + `42["presence:event",{"reason":"node_lost"}]   `
	for name, text := range map[string]string{
		"a refused handshake": "HTTP/1.1 503 Service Unavailable\r\n\r\n",
		"a fragment":          open + "\x01\x012",
		"a masked frame":      open + "\x81\x81mask2",
		"a refused join":      open + "\x81\x11" + `430[{"ok":false}]`,
		"two leaves":          open + lost + lost,
	} {
		c := newCrowd(1, 0, time.Hour)
		c.members[0].Receive([]byte(text))
		if c.err() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
