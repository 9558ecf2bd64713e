package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"github.com/realtime-ai/realtime-message-go/internal/wiretest"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// deadline bounds every wait of these tests.
const deadline = 10 * time.Second

// serve starts a Socket.IO server with presence on loopback.
func serve(t *testing.T, o presence.Options) (*presence.Runtime, string) {
	t.Helper()
	rt, url, _ := serveIO(t, o)
	return rt, url
}

// serveIO is serve that returns the Socket.IO server, too.
func serveIO(t *testing.T, o presence.Options) (*presence.Runtime, string, *socketio.Server) {
	t.Helper()
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	o.IO = server
	rt, err := presence.Init(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after that of the server
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := rt.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return rt, listenOn(t, server), server
}

// listenOn serves a Socket.IO server, which it closes in the end.
func listenOn(t *testing.T, server *socketio.Server) (url string) {
	t.Helper()
	srv := httptest.NewServer(server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	return srv.URL
}

// wire is a Socket.IO client down to the text of its frames.
type wire struct {
	t       *testing.T
	conn    net.Conn
	events  []string // payloads of events not looked at yet
	packets int
	// namespace, with a comma, is before the payload of its packets; "" for the root.
	namespace string
}

func connect(t *testing.T, url, auth string) *wire {
	t.Helper()
	w := &wire{t: t, conn: wiretest.Dial(t, nil, url)}
	w.next("0")
	w.send("40" + auth)
	w.next("40")
	return w
}

func (w *wire) send(packet string) {
	w.t.Helper()
	if err := wsutil.WriteClientText(w.conn, []byte(packet)); err != nil {
		w.t.Fatal(err)
	}
}

// next returns the next packet that begins so, without the beginning; events
// that come before it are kept.
func (w *wire) next(prefix string) string {
	w.t.Helper()
	if err := w.conn.SetReadDeadline(time.Now().Add(deadline)); err != nil {
		w.t.Fatal(err)
	}
	for {
		b, err := wsutil.ReadServerText(w.conn)
		p := string(b)
		if err != nil {
			w.t.Fatalf("waiting for %s: %v", prefix, err)
		}
		if rest, ok := strings.CutPrefix(p, prefix); ok {
			return rest
		}
		if rest, ok := strings.CutPrefix(p, "42"+w.namespace); ok {
			w.events = append(w.events, rest)
		}
	}
}

// ask sends an event and returns its acknowledgement.
func (w *wire) ask(event, payload string) string {
	w.t.Helper()
	w.packets++
	args := `"` + event + `"`
	if payload != "" {
		args += "," + payload
	}
	w.send(fmt.Sprintf("42%s%d[%s]", w.namespace, w.packets, args))
	ack := w.next(fmt.Sprintf("43%s%d", w.namespace, w.packets))
	return strings.TrimSuffix(strings.TrimPrefix(ack, "["), "]")
}

// code asks and returns the code of the refusal.
func (w *wire) code(event, payload string) string {
	w.t.Helper()
	var ack struct {
		OK    bool
		Code  string
		Error string
	}
	raw := w.ask(event, payload)
	if err := json.Unmarshal([]byte(raw), &ack); err != nil || ack.OK || ack.Error == "" {
		w.t.Errorf("%s %s: no refusal: %s", event, payload, raw)
	}
	return ack.Code
}

// event returns the next event's payload.
func (w *wire) event() string {
	w.t.Helper()
	if len(w.events) == 0 {
		return w.next("42" + w.namespace)
	}
	e := w.events[0]
	w.events = w.events[1:]
	return e
}
