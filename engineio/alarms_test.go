package engineio

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// Alarms ring in order, each at the time it was last set to, and none that was
// removed.
func TestAlarms(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := newAlarms()
	sessions := make([]*Session, 3000)
	want := make(map[*Session]time.Duration)
	for i := range sessions {
		sessions[i] = new(Session)
	}
	rung := 0
	for now := time.Duration(0); now < 5000; now += 5 {
		for range 20 {
			s := sessions[rng.IntN(len(sessions))]
			if rng.IntN(4) == 0 {
				a.remove(s)
				delete(want, s)
			} else {
				want[s] = now + time.Duration(rng.IntN(1000))
				a.set(s, want[s])
			}
		}
		for last := time.Duration(0); ; rung++ {
			s, at, ok := a.next(now)
			if s == nil {
				if ok != (len(want) > 0) {
					t.Fatalf("says that %v are left, and %d are", ok, len(want))
				}
				break
			}
			if at != want[s] || at > now || at < last || s.alarm != 0 {
				t.Fatalf("at %d rings what was to ring at %d, and is said to at %d, after %d", now, want[s], at, last)
			}
			last = at
			delete(want, s)
		}
		for s, at := range want {
			if at <= now {
				t.Fatalf("at %d the alarm of %d has not rung", now, at)
			}
			if s.alarm == 0 {
				t.Fatal("a session does not know its place")
			}
		}
	}
	if rung < 1000 {
		t.Fatalf("%d rang", rung)
	}
}

// A handshake that a Close did not wait for ends all the same; and what was to
// ring before a session closed does not cut it short.
func TestAlarmsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := NewServer(Config{}, func(*Session) Handler { return deafHandler{} })
		if err != nil {
			t.Fatal(err)
		}
		if !srv.enter() {
			t.Fatal("refused")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := srv.Close(ctx); err == nil {
			t.Fatal("did not wait for the handshake, and says nothing")
		}
		s := srv.newSession(httptest.NewRequest(http.MethodGet, "/", nil), admitted)
		s.carrier = &pollCarrier{s: s, wake: make(chan struct{}, 1)}
		s.start(false)
		s.endTurn()
		s.tick()
		if got := state(s.state.Load()); got != stateClosing {
			t.Fatalf("state %d after a tick that came too early, want closing", got)
		}
		time.Sleep(2 * closeWait)
		if got := state(s.state.Load()); got != stateClosed {
			t.Errorf("state %d, want closed", got)
		}
		<-srv.rung
	})
}

type deafHandler struct{}

func (deafHandler) HandleMessage([]byte, bool) {}
func (deafHandler) HandleClose(Reason)         {}
