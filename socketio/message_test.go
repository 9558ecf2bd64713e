package socketio

import (
	"context"
	"testing"
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
