package engineio

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
)

// logged is a configuration that logs into b, which is to be read when all is quiet.
func logged(b *bytes.Buffer) Config {
	return Config{Logger: slog.New(slog.NewTextHandler(b, nil))}
}

func wantPanicLogged(t *testing.T, b *bytes.Buffer) {
	t.Helper()
	synctest.Wait()
	if text := b.String(); !strings.Contains(text, "handler panicked") || !strings.Contains(text, "handler_test.go") {
		t.Errorf("logged %q", text)
	}
}

func panicOn(bad string) option {
	return onMessage(func(s *Session, data []byte, binary bool) {
		if string(data) == bad {
			panic("as told")
		}
		s.Send(NewFrame(data, binary))
	})
}

// A handler that panics ends its own session, after what was sent before, and no other.
func TestPanicOverWebSocket(t *testing.T) {
	for name, frame := range map[string]ws.Frame{
		"text": ws.NewTextFrame([]byte("4bad")), "binary": ws.NewBinaryFrame([]byte("bad")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				e := newPipeEnv(t, logged(&log), panicOn("bad"))
				other := e.openWS()
				e.session()
				c := e.openWS()
				c.write(ws.MaskFrame(ws.NewTextFrame([]byte("4good"))), ws.MaskFrame(frame), ws.MaskFrame(ws.NewTextFrame([]byte("4late"))))
				c.want("4good")
				c.wantClose(ws.StatusInternalServerError)
				e.session().wantClosed(t, ReasonInternalError)
				wantPanicLogged(t, &log)
				other.send("4still here")
				other.want("4still here")
			})
		})
	}
}

func TestPanicOverPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		e := newPipeEnv(t, logged(&log), panicOn("bad"))
		c := e.openPolling()
		c.wantPost(200, "4good\x1e4bad\x1e4late")
		c.wantPoll(200, "4good\x1e1")
		e.session().wantClosed(t, ReasonInternalError)
		wantPanicLogged(t, &log)
	})
}

func TestPanicDuringAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		e := newPipeEnv(t, logged(&log), onAccept(func(*recorder) { panic("as told") }))
		c := e.dialWS("EIO=4&transport=websocket")
		c.recv() // the open packet
		c.wantClose(ws.StatusInternalServerError)
		wantPanicLogged(t, &log)
	})
}

type panickyEnd struct{ nobody }

func (panickyEnd) HandleClose(Reason) { panic("as told") }

func TestPanicAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		e := newPipeEnv(t, logged(&log))
		e.srv.accept = func(*Session) Handler { return panickyEnd{} }
		c := e.openWS()
		c.conn.Close()
		wantPanicLogged(t, &log)
	})
}
