package presence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// golden reads fixtures that the SDK's tests read, too: a change of the wire
// shows in both.
func golden[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/wire/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var list []T
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestGoldenEvents(t *testing.T) {
	for _, g := range golden[struct {
		Name  string
		Event struct {
			Event
			TimeMs     int64
			LastSeenMs int64
		}
		Wire string
	}](t, "events") {
		if g.Event.LastSeenMs > 0 {
			g.Event.LastSeen = time.UnixMilli(g.Event.LastSeenMs)
		}
		g.Event.Time = time.UnixMilli(g.Event.TimeMs)
		text, _, _ := appendEvent(nil, &g.Event.Event)
		want(t, g.Name, string(text), g.Wire)
	}
}

func TestGoldenAcks(t *testing.T) {
	for _, g := range golden[struct {
		Name string
		Ack  struct {
			Epoch, Seq     int64
			Changed, Stale bool
		}
		Refusal *Error
		Wire    string
	}](t, "acks") {
		got := appendHeartbeatAck(nil, heartbeatAck{epoch: g.Ack.Epoch, seq: g.Ack.Seq, changed: g.Ack.Changed, stale: g.Ack.Stale})
		if g.Refusal != nil {
			got = appendRefusal(nil, g.Refusal)
		}
		want(t, g.Name, string(got), g.Wire)
	}
}

func TestGoldenRefusals(t *testing.T) {
	for _, g := range golden[struct {
		Code          Code
		Message, Wire string
	}](t, "refusals") {
		want(t, string(g.Code), string(appendRefusal(nil, &Error{Code: g.Code, Message: g.Message})), g.Wire)
	}
}

func TestGoldenSenders(t *testing.T) {
	for _, g := range golden[struct {
		ConnID, UserID, RoomID, Wire string
		TS                           int64
	}](t, "senders") {
		m := &membership{room: &room{id: g.RoomID}, connID: g.ConnID, userID: g.UserID}
		want(t, g.RoomID, string(m.appendSender(nil, g.TS)), g.Wire)
	}
}

func TestGoldenRequests(t *testing.T) {
	for _, g := range golden[struct {
		Event   string
		Payload json.RawMessage
		Parsed  string
		Error   string
	}](t, "requests") {
		parsed, err := parsedLine(g.Event, g.Payload)
		var refused *Error
		if errors.As(err, &refused) {
			want(t, string(g.Payload), refused.Message, g.Error)
			continue
		}
		want(t, string(g.Payload), parsed, g.Parsed)
	}
}

// parsedLine is a request in one line: ids, then what was given.
func parsedLine(event string, payload []byte) (line string, err error) {
	l := testSettings.limits
	add := func(name string, given bool, value any) {
		if given {
			line += fmt.Sprintf(" %s=%v", name, value)
		}
	}
	switch event {
	case "join":
		var p joinPayload
		p, err = parseJoin(payload, l)
		line = p.roomID + " " + p.userID
		add("state", p.state != nil, string(p.state))
		add("keepState", p.keepState, true)
		add("resume", p.resume != "", p.resume)
		add("grace", p.grace.given, p.grace.value)
		add("sender", p.sender, true)
	case "heartbeat":
		var p heartbeatPayload
		p, err = parseHeartbeat(payload, l)
		line = p.roomID
		add("epoch", p.epoch.given, p.epoch.value)
		add("patch", p.edit.patch != nil, string(p.edit.patch))
		add("remove", p.edit.remove != nil, string(p.edit.remove))
	case "leave":
		var p leavePayload
		p, err = parseLeave(payload, l)
		line = p.roomID
		add("grace", p.grace.given, p.grace.value)
	case "sync":
		var p syncPayload
		p, err = parseSync(payload, l)
		line = p.roomID
		add("seq", p.seq.given, p.seq.value)
	case "emit":
		var p emitPayload
		p, err = parseEmit(payload, l)
		line = p.roomID + " " + p.event
		add("args", p.args != nil, string(p.args))
		add("volatile", p.volatile, true)
	}
	return line, err
}

// FuzzRequests: whatever a client sends is taken or refused with a code; what
// is taken keeps within the limits.
func FuzzRequests(f *testing.F) {
	for _, g := range []string{`{"roomId":"r","userId":"u","state":{"a":1},"graceMs":5,"resume":"x.y"}`, `{"epoch":1,"patchState":{}}`, `null`, `{"seq":1e3}`} {
		f.Add([]byte(g))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if !jsontext.Valid(payload) {
			return // refused before it comes here
		}
		payload = bytes.TrimSpace(payload)
		for _, event := range []string{"join", "heartbeat", "leave", "sync", "emit"} {
			_, err := parsedLine(event, payload)
			var refused *Error
			if err != nil && !errors.As(err, &refused) {
				t.Errorf("%s %q: an error without a code: %v", event, payload, err)
			}
		}
		if p, err := parseJoin(payload, testSettings.limits); err == nil {
			if p.roomID == "" || p.userID == "" || len(p.roomID) > 256 || len(p.state) > 16<<10 || p.grace.value > 120_000 || p.state != nil && !json.Valid(p.state) {
				t.Errorf("%q taken as %+v", payload, p)
			}
		}
	})
}
