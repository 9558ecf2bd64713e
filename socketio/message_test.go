package socketio

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

func TestOnAnyGetsWhatNobodyElseHandles(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		c.send(`421["stray"]`) // with nobody to handle it
		c.wantNothing()
		e.root.On("known", acknowledge)
		e.root.OnAny(func(_ context.Context, _ *Socket, m *Message) error {
			return m.Ack().Send("any", m.Event(), m.Len())
		})
		c.send(`421["known",1]`, `422["stray",1,2]`, `423["other"]`)
		got := map[string]bool{c.recv(): true, c.recv(): true, c.recv(): true}
		for _, want := range []string{`431[1]`, `432["any","stray",2]`, `433["any","other",0]`} {
			if !got[want] {
				t.Errorf("no %s in %v", want, got)
			}
		}
	})
}

func TestHandlersCanBeReplaced(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		for _, word := range []string{"first", "second"} {
			e.root.OnInline("a", func(_ context.Context, _ *Socket, m *Message) error { return m.Ack().Send(word) })
			c.send(`421["a"]`)
			c.want(`431["` + word + `"]`)
		}
	})
}

func TestMessageMiddleware(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var j journal
		e.root.UseMessage(func(_ context.Context, s *Socket, m *Message) error {
			j.add("1 " + m.Event())
			if string(m.Arg(0)) == `"bad"` {
				return &AckError{Code: "bad", Message: "No."}
			}
			return nil
		})
		e.root.UseMessage(func(_ context.Context, _ *Socket, m *Message) error { j.add("2 " + m.Event()); return nil })
		e.root.On("queued", acknowledge)
		e.root.OnInline("inline", acknowledge)
		e.root.OnAny(func(_ context.Context, _ *Socket, m *Message) error { return m.Ack().Send("any") })
		c := e.join("/")
		for _, event := range []string{"queued", "inline", "any"} {
			c.send(`421["` + event + `","bad"]`)
			c.want(`431[{"ok":false,"error":"No.","code":"bad"}]`)
		}
		c.send(`422["queued"]`)
		c.want(`432[]`)
		j.want(t, "1 queued", "1 inline", "1 any", "1 queued", "2 queued")
	})
}

func TestMessageArguments(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.OnInline("a", func(_ context.Context, _ *Socket, m *Message) error {
			for i, want := range []string{`{"_placeholder":true,"num":0}`, `1`, `"2"`, `[3]`, `{"_placeholder":true,"num":0,"x":1}`} {
				if got := string(m.Arg(i)); got != want {
					t.Errorf("argument %d is %s, want %s", i, got, want)
				}
			}
			if m.Arg(-1) != nil || m.Arg(5) != nil {
				t.Error("there are arguments outside of the message")
			}
			if b, ok := m.BinaryArg(0); !ok || string(b) != "x" {
				t.Errorf("binary argument 0 is %q", b)
			}
			for _, i := range []int{-1, 1, 4, 5} { // 4 is no placeholder as encoders write it
				if b, ok := m.BinaryArg(i); ok {
					t.Errorf("binary argument %d is %q", i, b)
				}
			}
			if want := `["a",{"_placeholder":true,"num":0},1,"2",[3] , {"_placeholder":true,"num":0,"x":1}]`; string(m.Raw()) != want {
				t.Errorf("raw is %s", m.Raw())
			}
			return m.Ack().Send()
		})
		c := e.join("/")
		c.send(`451-1["a",{"_placeholder":true,"num":0},1,"2",[3] , {"_placeholder":true,"num":0,"x":1}]`, "b:x")
		c.want(`431[]`)
	})
}

// Each argument is looked for once, whoever asks in whatever order: once that
// is done, the text between the arguments can be anything.
func TestManyArgumentsAreLookedForOnce(t *testing.T) {
	const n = 300_000
	payload := []byte(`["a"` + strings.Repeat(",7", n) + "]")
	for name, ask := range map[string]func(m *Message){
		"last":     func(m *Message) { m.Arg(n - 1) },
		"all":      func(m *Message) { m.Args() },
		"binaries": func(m *Message) { m.BinaryArg(jsontext.KeptSpans) },
	} {
		p, err := parsePacket(append([]byte{'2'}, payload...))
		if err != nil {
			t.Fatal(err)
		}
		m := new(Message)
		m.fill(nil, &p, nil)
		ask(m)
		for i, c := range m.payload {
			if c == ',' {
				m.payload[i] = '"'
			}
		}
		for i := range n {
			if got := string(m.Arg(i)); got != "7" {
				t.Fatalf("%s: argument %d is %q", name, i, got)
			}
		}
		if args := m.Args(); len(args) != n || string(args[n-1]) != "7" {
			t.Errorf("%s: %d arguments", name, len(args))
		}
	}
}

func TestTypedTakesAttachmentsAsBytesOnly(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.On("object", Typed(func(_ context.Context, _ *Socket, in map[string]any) (any, error) { return in, nil }))
		e.root.On("raw", Typed(func(_ context.Context, _ *Socket, in json.RawMessage) (any, error) { return in, nil }))
		e.root.On("bytes", Typed(func(_ context.Context, _ *Socket, in []byte) (string, error) { return string(in), nil }))
		c := e.join("/")
		const refused = `[{"ok":false,"error":"This event takes no attachments: its arguments must be JSON without binary data.","code":"invalid_payload"}]`
		for _, packet := range []string{
			`451-1["object",{"_placeholder":true,"num":0}]`,
			`451-1["object",{"a":{"_placeholder":true,"num":0}}]`,
			`451-1["object",{},{"_placeholder":true,"num":0}]`,
			`451-1["raw",{"_placeholder":true,"num":0}]`,
			`451-1["bytes","eHl6",{"_placeholder":true,"num":0}]`,
			`451-1["bytes",[{"_placeholder":true,"num":0}]]`,
		} {
			c.send(packet, "b:xyz")
			if got := c.recv(); got != "431"+refused {
				t.Errorf("%s: %s", packet, got)
			}
		}
		c.send(`452-1["bytes",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "b:x", "b:y")
		c.want("431" + refused)
		c.send(`451-1["bytes",{"_placeholder":true,"num":0}]`, "b:xyz", `422["bytes","eHl6"]`, `423["bytes"]`)
		c.want(`431["xyz"]`, `432["xyz"]`, `433[""]`)
	})
}

func TestEventWithoutAHandlerIsADebugLine(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		c.send(`421["stray"]`)
		c.wantNothing()
		e.debug()
		c.send(`42["`+strings.Repeat("long", 1000)+`"]`, `421["stray"]`)
		c.wantNothing()
		e.close()
		if log := e.logs.String(); strings.Count(log, "event=stray") != 1 || len(log) > 2000 {
			t.Errorf("logged: %s", log)
		}
	})
}
