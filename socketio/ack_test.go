package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/series"
)

func TestAcksKeepTheOrderOfTheirMessages(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.On("slow", func(_ context.Context, _ *Socket, m *Message) error {
			time.Sleep(time.Second)
			return m.Ack().SendRaw(m.Arg(0))
		})
		c := e.join("/")
		var sent, want []string
		for i := range 20 {
			sent = append(sent, fmt.Sprintf(`42%d["slow",%d]`, i, i))
			want = append(want, fmt.Sprintf(`43%d[%d]`, i, i))
		}
		c.send(sent...)
		c.want(want...)
	})
}

// What is trusted arrives as what is checked does, in any namespace.
func TestTrusted(t *testing.T) {
	long := "/" + strings.Repeat("n", 2*maxHeader)
	for _, ns := range []string{"/", "/chat", long} {
		bubble(t, Config{}, func(t *testing.T, e *env) {
			n := e.io.Of(ns)
			n.OnInline("ask", func(_ context.Context, s *Socket, m *Message) error {
				raw, err := NewEventRaw(ns, []byte(`["said",{"a":"ü"}]`))
				if err != nil {
					return err
				}
				trusted := NewTrustedChange(ns, []byte(`["said",{"a":"ü"}]`), series.Change{})
				if string(raw.payload) != string(trusted.payload) {
					t.Errorf("payload %s, want %s", trusted.payload, raw.payload)
				}
				if err := errors.Join(s.Send(raw), s.Send(trusted), m.Ack().SendTrusted([]byte(`{"ok"`), nil, []byte(`:true}`))); err != nil {
					return err
				}
				if err := m.Ack().SendTrusted([]byte("{}"), nil, nil); !errors.Is(err, ErrAnswered) {
					t.Errorf("second answer: %v", err)
				}
				return nil
			})
			c := e.join(ns)
			prefix := ""
			if ns != "/" {
				prefix = ns + ","
			}
			c.send("42" + prefix + `7["ask"]`)
			said := "42" + prefix + `["said",{"a":"ü"}]`
			c.want(said, said, "43"+prefix+`7[{"ok":true}]`)
		})
	}
}

func TestAckAnswersOnce(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.OnInline("ask", func(_ context.Context, _ *Socket, m *Message) error {
			if err := m.Ack().SendRaw([]byte("{")); err == nil {
				t.Error("an argument that is not JSON was sent")
			}
			if err := m.Ack().Send(func() {}); err == nil {
				t.Error("a function was sent")
			}
			if err := m.Ack().Send("<first>", nil, []byte{7}); err != nil {
				t.Error(err)
			}
			if err := m.Ack().Send("second"); !errors.Is(err, ErrAnswered) {
				t.Errorf("second answer: %v", err)
			}
			return errors.New("not answered either")
		})
		c := e.join("/")
		c.send(`425["ask"]`)
		c.want(`461-5["<first>",null,{"_placeholder":true,"num":0}]`, "b:\a")
		c.wantNothing()
	})
}

func TestAckThatNobodyAskedForDoesNothing(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.OnInline("tell", func(_ context.Context, _ *Socket, m *Message) error {
			if m.Ack().Wanted() {
				t.Error("the client wants an ack")
			}
			if err := m.Ack().Send(1); err != nil {
				t.Error(err)
			}
			return errors.New("failed")
		})
		c := e.join("/")
		c.send(`42["tell"]`)
		c.wantNothing()
	})
}

func TestAckMayBeKept(t *testing.T) {
	for _, inline := range []bool{true, false} {
		bubble(t, Config{}, func(t *testing.T, e *env) {
			kept := make(chan Ack, 1)
			e.root.handle("ask", func(_ context.Context, _ *Socket, m *Message) error {
				kept <- m.Ack()
				return nil
			}, inline)
			c := e.join("/")
			c.send(`421["ask"]`)
			ack := <-kept
			c.send(`422["ask"]`) // reuses what the first one had
			if err := ack.Send("late"); err != nil {
				t.Error(err)
			}
			c.want(`431["late"]`)
			c.send("41")
			synctest.Wait()
			if err := (<-kept).Send("too late"); !errors.Is(err, ErrDisconnected) {
				t.Errorf("answer after the disconnect: %v", err)
			}
		})
	}
}

func TestErrorsOfHandlersAreAnswered(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.On("secret", func(context.Context, *Socket, *Message) error { return errors.New("password is x") })
		e.root.On("coded", func(context.Context, *Socket, *Message) error {
			return fmt.Errorf("wrapped: %w", &AckError{Code: "full", Message: "Try <later>."})
		})
		e.root.On("panic", func(context.Context, *Socket, *Message) error { panic("oh") })
		e.root.OnInline("inline panic", func(context.Context, *Socket, *Message) error { panic("oh") })
		c := e.join("/")
		internal := `[{"ok":false,"error":"internal error","code":"internal"}]`
		c.send(`421["secret"]`, `422["coded"]`, `423["panic"]`, `42["panic"]`)
		c.want("431"+internal, `432[{"ok":false,"error":"Try <later>.","code":"full"}]`, "433"+internal)
		c.send(`424["inline panic"]`)
		c.want("434" + internal)
	})
}

func TestOnError(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		failure := errors.New("failure")
		e.root.On("fail", func(context.Context, *Socket, *Message) error { return failure })
		e.root.OnError(func(_ context.Context, s *Socket, m *Message, err error) json.RawMessage {
			if !errors.Is(err, failure) || s == nil {
				t.Errorf("socket %v, error %v", s, err)
			}
			if m.Len() > 0 {
				return nil
			}
			return json.RawMessage(`{"id":7}`)
		})
		c := e.join("/")
		c.send(`421["fail","quietly"]`, `422["fail"]`)
		c.want(`432[{"id":7}]`)
	})
}

func TestTyped(t *testing.T) {
	type request struct{ A, B int }
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.On("add", Typed(func(_ context.Context, s *Socket, in request) (map[string]int, error) {
			if in.A < 0 {
				return nil, &AckError{Code: "negative", Message: "A is negative"}
			}
			return map[string]int{"sum": in.A + in.B}, nil
		}))
		c := e.join("/")
		c.send(`421["add",{"a":1,"b":2}]`, `422["add"]`, `423["add",{"a":-1}]`)
		c.want(`431[{"sum":3}]`, `432[{"sum":0}]`, `433[{"ok":false,"error":"A is negative","code":"negative"}]`)
		c.send(`424["add",{"a":"x"}]`)
		var reply [1]struct {
			OK   bool
			Code string
		}
		got := c.recv()
		if err := json.Unmarshal([]byte(got[3:]), &reply); err != nil || reply[0].OK || reply[0].Code != "invalid_payload" {
			t.Errorf("answered %s", got)
		}
	})
}

func TestEmitWithAck(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		s := e.socket(c)
		for i, tc := range []struct {
			answer []string
			args   int
			binary int
		}{
			{[]string{`[]`}, 0, 0},
			{[]string{`[1,"2",{"3":[]}]`}, 3, 0},
			{[]string{`[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "b:x", "b:yy"}, 2, 2},
		} {
			type result struct {
				m   *Message
				err error
			}
			done := make(chan result, 1)
			go func() {
				m, err := s.EmitWithAck(t.Context(), "ask", "<q>", i)
				done <- result{m, err}
			}()
			id := strconv.Itoa(i)
			c.want(`42` + id + `["ask","<q>",` + id + `]`)
			answer := append([]string{}, tc.answer...)
			if tc.binary > 0 {
				answer[0] = "46" + strconv.Itoa(tc.binary) + "-" + id + answer[0]
			} else {
				answer[0] = "43" + id + answer[0]
			}
			c.send(answer...)
			r := <-done
			if r.err != nil {
				t.Fatal(r.err)
			}
			if r.m.Event() != "" || r.m.Ack().Wanted() || r.m.Len() != tc.args || len(r.m.Args()) != tc.args ||
				string(r.m.Raw()) != tc.answer[0] || len(r.m.Binary()) != tc.binary {
				t.Errorf("answer %s became %+v", tc.answer, r.m)
			}
			if tc.binary > 0 {
				if b, ok := r.m.BinaryArg(0); !ok || string(b) != "yy" {
					t.Errorf("binary argument 0 is %q", b)
				}
			}
		}
	})
}

func TestEmitWithAckTimesOut(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		s := e.socket(c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := s.EmitWithAck(ctx, "ask", []byte("x")); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
		c.want(`451-0["ask",{"_placeholder":true,"num":0}]`, "b:x")
		if len(s.questions) != 0 {
			t.Errorf("%d questions are kept", len(s.questions))
		}
		c.send(`430["late"]`, `430["again"]`, `4399["never asked"]`)
		c.wantNothing()
	})
}

func TestEmitWithAckEndsWithTheSocket(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		s := e.socket(c)
		done := make(chan error, 1)
		go func() {
			_, err := s.EmitWithAck(t.Context(), "ask")
			done <- err
		}()
		c.want(`420["ask"]`)
		c.send("41")
		if err := <-done; !errors.Is(err, ErrDisconnected) {
			t.Errorf("error %v", err)
		}
		if _, err := s.EmitWithAck(t.Context(), "ask"); !errors.Is(err, ErrDisconnected) {
			t.Errorf("error %v after the disconnect", err)
		}
	})
}

func TestEmitWithAckInsideAHandler(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.On("ask me", func(ctx context.Context, s *Socket, m *Message) error {
			answer, err := s.EmitWithAck(ctx, "what")
			if err != nil {
				return err
			}
			return m.Ack().SendRaw(answer.Arg(0))
		})
		e.root.OnConnect(func(ctx context.Context, s *Socket) {
			if _, err := s.EmitWithAck(ctx, "hello"); err != nil {
				t.Error(err)
			}
		})
		c := e.join("/")
		c.want(`420["hello"]`)
		c.send(`427["ask me"]`, `430[]`) // the event waits for OnConnect, the answer does not
		c.want(`421["what"]`)
		c.send(`431["this"]`)
		c.want(`437["this"]`)
	})
}
