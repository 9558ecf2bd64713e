package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

var testLimits = Limits{IDBytes: 256, StateBytes: 16 << 10, Rooms: 100, GraceMs: 120_000}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

// golden reads fixtures that the SDK's tests read, too: a change of the wire
// shows in both.
func golden[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile("../../testdata/wire/" + name + ".json")
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
		text, c := AppendEvent(nil, &Shown{Event: g.Event.Event})
		want(t, g.Name, string(text), g.Wire)
		want(t, g.Name+": prev", string(text[c.PrevAt:c.PrevAt+c.PrevLen]), strconv.FormatInt(g.Event.Prev, 10))
	}
}

func TestGoldenBatches(t *testing.T) {
	for _, g := range golden[struct {
		Name  string
		Batch Batch
		Items []struct {
			Event
			TimeMs         int64
			Patch, Removed json.RawMessage
		}
		Wire string
	}](t, "batches") {
		text, c := AppendBatch(nil, &g.Batch)
		for i, item := range g.Items {
			if i > 0 {
				text = append(text, ',')
			}
			item.Time = time.UnixMilli(item.TimeMs)
			text = AppendItem(text, &Shown{Event: item.Event}, StateText{Whole: item.State, Patch: item.Patch, Removed: item.Removed})
		}
		want(t, g.Name, string(AppendBatchEnd(text)), g.Wire)
		want(t, g.Name+": prev", string(text[c.PrevAt:c.PrevAt+c.PrevLen]), strconv.FormatInt(g.Batch.Prev, 10))
	}
}

func TestGoldenPages(t *testing.T) {
	for _, g := range golden[struct {
		Name  string
		Join  *JoinAck
		Seq   int64
		Total Total
		More  bool
		Place string
		Wire  string
	}](t, "pages") {
		text := AppendPageAck(nil, g.Seq)
		if g.Join != nil {
			text = AppendJoinAck(nil, g.Join, g.Seq)
		}
		want(t, g.Name, string(AppendPageEnd(append(text, "[]"...), g.Total, g.More, g.Place)), g.Wire)
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
		got := AppendHeartbeatAck(nil, HeartbeatAck{Epoch: g.Ack.Epoch, Seq: g.Ack.Seq, Changed: g.Ack.Changed, Stale: g.Ack.Stale})
		if g.Refusal != nil {
			got = AppendRefusal(nil, g.Refusal)
		}
		want(t, g.Name, string(got), g.Wire)
	}
}

func TestGoldenRefusals(t *testing.T) {
	for _, g := range golden[struct {
		Code          Code
		Message, Wire string
	}](t, "refusals") {
		want(t, string(g.Code), string(AppendRefusal(nil, &Error{Code: g.Code, Message: g.Message})), g.Wire)
	}
}

func TestGoldenSenders(t *testing.T) {
	for _, g := range golden[struct {
		ConnID, UserID, RoomID, Wire string
		TS                           int64
	}](t, "senders") {
		s := &Sender{ConnID: g.ConnID, UserID: g.UserID, RoomID: g.RoomID, AtMs: g.TS}
		want(t, g.RoomID, string(AppendSender(nil, s)), g.Wire)
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
	l := testLimits
	add := func(name string, given bool, value any) {
		if given {
			line += fmt.Sprintf(" %s=%v", name, value)
		}
	}
	switch event {
	case "join":
		var p Join
		p, err = ParseJoin(payload, l)
		line = p.RoomID + " " + p.UserID
		add("state", p.State != nil, string(p.State))
		add("keepState", p.KeepState, true)
		add("resume", p.Resume != "", p.Resume)
		add("grace", p.GraceMs.Given, p.GraceMs.Value)
		add("sender", p.Sender, true)
		add("limit", p.Format.Limit.Given, p.Format.Limit.Value)
		add("batch", p.Format.Batch, true)
		add("deltas", p.Format.Deltas, true)
	case "heartbeat":
		var p Heartbeat
		p, err = ParseHeartbeat(payload, l)
		line = p.RoomID
		add("epoch", p.Epoch.Given, p.Epoch.Value)
		add("patch", p.Edit.Patch != nil, string(p.Edit.Patch))
		add("remove", p.Edit.Remove != nil, string(p.Edit.Remove))
	case "leave":
		var p Leave
		p, err = ParseLeave(payload, l)
		line = p.RoomID
		add("grace", p.GraceMs.Given, p.GraceMs.Value)
	case "sync":
		var p Sync
		p, err = ParseSync(payload, l)
		line = p.RoomID
		add("seq", p.Seq.Given, p.Seq.Value)
	case "members":
		var p PageRequest
		p, err = ParsePage(payload, l)
		line = p.RoomID
		add("after", true, p.After)
		add("limit", true, p.Limit)
	case "emit":
		var p Emit
		p, err = ParseEmit(payload, l)
		line = p.RoomID + " " + p.Event
		add("args", p.Args != nil, string(p.Args))
		add("volatile", p.Volatile, true)
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
		for _, event := range []string{"join", "heartbeat", "leave", "sync", "members", "emit"} {
			_, err := parsedLine(event, payload)
			var refused *Error
			if err != nil && !errors.As(err, &refused) {
				t.Errorf("%s %q: an error without a code: %v", event, payload, err)
			}
		}
		if p, err := ParseJoin(payload, testLimits); err == nil {
			if p.RoomID == "" || p.UserID == "" || len(p.RoomID) > 256 || len(p.State) > 16<<10 || p.GraceMs.Value > 120_000 || p.State != nil && !json.Valid(p.State) {
				t.Errorf("%q taken as %+v", payload, p)
			}
		}
	})
}
