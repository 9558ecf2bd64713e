package presence_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/logtest"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// Nobody waits for the answer to an event that the server does not have.
func TestEventsWithoutAHandler(t *testing.T) {
	logs := new(logtest.Log)
	log := logs.Logger(slog.LevelDebug)
	_, standalone := serve(t, presence.Options{RefuseUnknown: true, RelayEvents: []string{"chat:*", "storage:note"}, Logger: log})
	_, library, io := serveIO(t, presence.Options{Logger: log})
	a, b := connect(t, standalone, ""), connect(t, library, "")
	for _, w := range []*wire{a, b} {
		w.ask("presence:join", `{"roomId":"r","userId":"u"}`)
		for event, want := range map[string]string{
			"presence:foo":     "unknown_event",
			"presence:Join":    "unknown_event",
			"presence:join ":   "unknown_event",
			"metadata:setUser": "unsupported",
			"storage:":         "unsupported",
		} {
			if got := w.code(event, `{"roomId":"r"}`); got != want {
				t.Errorf("%s: %s, want %s", event, got, want)
			}
		}
	}
	long := "chat" + strings.Repeat("x", 900_000)
	for event, want := range map[string]string{"chat": "unknown_event", "Chat:x": "unknown_event", "Presence:join": "unknown_event", long: "unknown_event"} {
		if got := a.code(event, ""); got != want {
			t.Errorf("%.20s: %s, want %s", event, got, want)
		}
	}
	// What may be relayed is told how, and what never is, is not.
	emit := `{"roomId":"r","event":"cursor"}`
	for event, ack := range map[string]string{"cursor": a.ask("cursor", ""), "presence:emit": a.ask("presence:emit", emit)} {
		if !strings.Contains(ack, "RELAY_EVENTS") {
			t.Errorf("%s: %s", event, ack)
		}
	}
	if ack := a.ask("presence:foo", ""); strings.Contains(ack, "RELAY_EVENTS") {
		t.Error(ack)
	}
	if ack := a.ask("storage:note", `{"roomId":"r"}`); ack != `{"ok":true}` {
		t.Errorf("relayed: %s", ack)
	}
	a.send(`42["quiet"]`)
	b.send(`421["unanswered"]`)
	if got := a.code("last", ""); got != "unknown_event" {
		t.Error(got)
	}
	b.ask("presence:heartbeat", "") // nothing was answered before
	for _, event := range []string{"quiet", "unanswered"} {
		if !strings.Contains(logs.String(), event) {
			t.Errorf("%s left no line", event)
		}
	}
	for line := range strings.Lines(logs.String()) {
		if len(line) > 2000 {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
	}
	// The application's own handler comes first, whenever it is set.
	io.Of("/").OnAny(func(_ context.Context, _ *socketio.Socket, m *socketio.Message) error {
		return m.Ack().Send("mine")
	})
	for _, event := range []string{"metadata:setUser", "other"} {
		if ack := b.ask(event, ""); ack != `"mine"` {
			t.Errorf("%s with a handler of all events: %s", event, ack)
		}
	}
	if got := b.code("presence:foo", ""); got != "unknown_event" {
		t.Error(got)
	}
}

// Refused joins of one client do not fill the log.
func TestRefusalsInTheLog(t *testing.T) {
	logs := new(logtest.Log)
	_, url := serve(t, presence.Options{
		Logger: logs.Logger(slog.LevelInfo),
		Authorize: func(_ context.Context, _ *socketio.Socket, r presence.JoinRequest) error {
			return fmt.Errorf("no such state: %s", r.State)
		},
	})
	c := connect(t, url, "")
	const joins = 50
	for i := range joins {
		c.code("presence:join", fmt.Sprintf(`{"roomId":"%d%s","userId":"%s","state":{"a":"%s"}}`,
			i, strings.Repeat("r", 250), strings.Repeat("é", 128), strings.Repeat("s", 16_000)))
	}
	lines := 0
	for line := range strings.Lines(logs.String()) {
		lines++
		if len(line) > 10_000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if lines == 0 || lines > joins/2 {
		t.Errorf("%d lines for %d refused joins", lines, joins)
	}
}
