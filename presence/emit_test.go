package presence_test

import (
	"strings"
	"testing"

	"github.com/gobwas/ws/wsutil"

	"github.com/realtime-ai/realtime-message-go/presence"
)

// presence:emit reaches one room, whatever its arguments are.
func TestEmitReachesItsRoomOnly(t *testing.T) {
	_, url := serve(t, presence.Options{RelayEvents: []string{"chat:*"}})
	a, inBoth, inOther := connect(t, url, ""), connect(t, url, ""), connect(t, url, "")
	for _, w := range []*wire{a, inBoth} {
		w.ask("presence:join", `{"roomId":"r","userId":"u"}`)
		w.ask("presence:join", `{"roomId":"s","userId":"u"}`)
	}
	inOther.ask("presence:join", `{"roomId":"s","userId":"u"}`)
	for args, want := range map[string]string{
		`,"args":["six"]`:            `["chat:x","six"]`,
		`,"args":[null]`:             `["chat:x",null]`,
		`,"args":[["a"],{}]`:         `["chat:x",["a"],{}]`,
		`,"args":[{"roomId":"s"}]`:   `["chat:x",{"roomId":"s"}]`,
		`,"args":[ ]`:                `["chat:x"]`,
		`,"args":null`:               `["chat:x"]`,
		`,"args":["]"]`:              `["chat:x","]"]`,
		`,"args":[[]]`:               `["chat:x",[]]`,
		`,"args":[1],"args":[2]`:     `["chat:x",2]`,
		`,"volatile":true,"args":[]`: `["chat:x"]`,
		``:                           `["chat:x"]`,
	} {
		if got := a.ask("presence:emit", `{"roomId":"r","event":"chat:x"`+args+`}`); got != `{"ok":true}` {
			t.Errorf("%s: %s", args, got)
		}
		if got := inBoth.custom(); got != want {
			t.Errorf("%s arrived as %s, want %s", args, got, want)
		}
	}
	a.ask("chat:end", `{"roomId":"s"}`)
	if got := inOther.custom(); got != `["chat:end",{"roomId":"s"}]` {
		t.Errorf("another room heard %s", got)
	}
}

func TestEmitIsRefused(t *testing.T) {
	_, url := serve(t, presence.Options{RelayEvents: []string{"*"}})
	_, none := serve(t, presence.Options{})
	a, b := connect(t, url, ""), connect(t, none, "")
	for _, w := range []*wire{a, b} {
		w.ask("presence:join", `{"roomId":"r","userId":"u"}`)
	}
	for payload, want := range map[string]string{
		`{"roomId":"r","event":"presence:event"}`:          "unknown_event",
		`{"roomId":"r","event":"\u0070resence:x"}`:         "unknown_event",
		`{"roomId":"r","event":"presence: "}`:              "unknown_event",
		`{"roomId":"r","event":"disconnect"}`:              "unknown_event",
		`{"roomId":"r","event":"connect_error"}`:           "unknown_event",
		`{"roomId":"s","event":"x"}`:                       "not_joined",
		`{"event":"x"}`:                                    "invalid_payload",
		`{"roomId":"r","event":""}`:                        "invalid_payload",
		`{"roomId":"r","event":"\ud800"}`:                  "invalid_payload",
		`{"roomId":"r","event":"x","args":{"0":1}}`:        "invalid_payload",
		`{"roomId":"r","event":"x","volatile":1}`:          "invalid_payload",
		`{"roomId":"s","event":"x","roomId":"r","args":1}`: "invalid_payload",
		`"six"`: "invalid_payload",
		``:      "invalid_payload",
	} {
		if got := a.code("presence:emit", payload); got != want {
			t.Errorf("%s: %s, want %s", payload, got, want)
		}
	}
	if got := b.code("presence:emit", `{"roomId":"r","event":"`+strings.Repeat("x", 900_000)+`"}`); got != "unknown_event" {
		t.Errorf("without events to relay: %s", got)
	}
}

// binaryAsk sends a message with one attachment and returns the acknowledgement.
func (w *wire) binaryAsk(message string) string {
	w.t.Helper()
	w.send("451-8" + message)
	if err := wsutil.WriteClientBinary(w.conn, []byte{1, 2}); err != nil {
		w.t.Fatal(err)
	}
	return w.next("438")
}

// Attachments are for presence:emit; in the other requests they would be stored as
// the text that stands for them.
func TestAttachmentsOfRequests(t *testing.T) {
	_, url := serve(t, presence.Options{RelayEvents: []string{"chat"}})
	a, b := connect(t, url, ""), connect(t, url, "")
	a.ask("presence:join", `{"roomId":"r","userId":"a"}`)
	b.ask("presence:join", `{"roomId":"r","userId":"b","sender":true}`)
	const buffer = `{"_placeholder":true,"num":0}`
	for _, message := range []string{
		`["presence:join",{"roomId":"r","userId":"u","state":{"a":` + buffer + `}}]`,
		`["presence:join",{"roomId":"r","userId":"u","state":` + buffer + `}]`,
		`["presence:join",{"roomId":"r","userId":"u","state":{"a":[{"b":` + buffer + `}]}}]`,
		`["presence:join",{"roomId":"r","userId":"u"},` + buffer + `]`,
		`["presence:join",{"roomId":"r","userId":"u"}]`,
		`["presence:heartbeat",{"patchState":{"a":` + buffer + `}}]`,
		`["presence:leave",{"roomId":"r","x":` + buffer + `}]`,
		`["presence:sync",` + buffer + `]`,
	} {
		if got := a.binaryAsk(message); !strings.Contains(got, `"invalid_payload"`) {
			t.Errorf("%s: %s", message, got)
		}
	}
	if got := a.binaryAsk(`["presence:emit",{"roomId":"r","event":"chat","args":[{"deep":[` + buffer + `]}]}]`); got != `[{"ok":true}]` {
		t.Errorf("presence:emit: %s", got)
	}
	got := b.next("451-")
	if rest, sender := sentBy(t, got); rest != `["chat",{"deep":[`+buffer+`]}]` || sender.UserID != "a" {
		t.Errorf("heard %s", got)
	}
	// Without attachments what looks like one is ordinary data, in a packet that says so.
	a.ask("presence:emit", `{"roomId":"r","event":"chat","args":[`+buffer+`]}`)
	if rest, _ := sentBy(t, b.custom()); rest != `["chat",`+buffer+`]` {
		t.Errorf("heard %s", rest)
	}
}

// Keys are removed after the patch, in one write.
func TestRemoveState(t *testing.T) {
	_, url := serve(t, presence.Options{})
	a, b := connect(t, url, ""), connect(t, url, "")
	b.ask("presence:join", `{"roomId":"r","userId":"b"}`)
	a.ask("presence:join", `{"roomId":"r","userId":"a","state":{"a":1,"b":2,"c":null}}`)
	for _, step := range []struct{ payload, changed, state string }{
		{`{"removeState":["a"]}`, `"changed":true`, `"state":{"b":2,"c":null}`},
		{`{"removeState":["a"]}`, `"changed":false`, ``},
		{`{"removeState":[]}`, `"changed":false`, ``},
		{`{"patchState":{"d":1,"b":3},"removeState":["c","d"]}`, `"changed":true`, `"state":{"b":3}`},
		{`{"patchState":{"d":1},"removeState":["d"]}`, `"changed":false`, ``},
		{`{"roomId":"r","removeState":["b"]}`, `"changed":true`, `"state":{}`},
	} {
		if got := a.ask("presence:heartbeat", step.payload); !strings.Contains(got, step.changed) {
			t.Errorf("%s: %s", step.payload, got)
		}
		if step.state == "" {
			continue
		}
		for {
			if e := b.event(); strings.Contains(e, `"update"`) {
				if !strings.Contains(e, step.state) {
					t.Errorf("%s: %s", step.payload, e)
				}
				break
			}
		}
	}
	for _, wrong := range []string{`"a"`, `{"a":true}`, `["a",null]`, `[["a"]]`, `7`} {
		if got := a.code("presence:heartbeat", `{"removeState":`+wrong+`}`); got != "invalid_payload" {
			t.Errorf("removeState %s: %s", wrong, got)
		}
	}
	a.ask("presence:join", `{"roomId":"s","userId":"a"}`)
	if got := a.code("presence:heartbeat", `{"removeState":["a"]}`); got != "invalid_payload" {
		t.Errorf("without a room, in two: %s", got)
	}
}
