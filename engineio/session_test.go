package engineio

import (
	"testing"
	"testing/synctest"
)

func TestSendOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		s := e.session().s
		if err := s.Send(); err != nil {
			t.Error(err)
		}
		s.Send(NewFrame([]byte("x"), false))
		c.wantPoll(200, "4x") // not an empty payload before it
		s.Close(ReasonForcedClose)
		if err := s.Send(); err != ErrClosed {
			t.Errorf("error %v after Close", err)
		}
	})
}

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside := make(chan bool)
		e := newPipeEnv(t, Config{}, onMessage(func(s *Session, _ []byte, _ bool) {
			inside <- s.Closed()
			<-inside
			inside <- s.Closed()
		}))
		c := e.openWS()
		c.send("4x")
		if <-inside {
			t.Error("closed before Close")
		}
		r := e.session()
		r.s.Close(ReasonForcedClose)
		inside <- true
		if !<-inside {
			t.Error("open after Close, while HandleMessage runs")
		}
		r.wantClosed(t, ReasonForcedClose)
	})
}
