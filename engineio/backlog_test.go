package engineio

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/logtest"
)

// small makes a bound that a test can pass: 10 000 bytes, of which more than 2500 is a big message.
var small = Config{MaxPayload: 1000, MaxQueueBytes: 10_000, MaxLargeBytes: 100_000}

func text(size int, fill string) *Frame { return NewFrame([]byte(strings.Repeat(fill, size)), false) }

// used is what the budget counts now.
func (srv *Server) used() int {
	srv.budget.mu.Lock()
	defer srv.budget.mu.Unlock()
	return srv.budget.used
}

func TestMessageAboveTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, small)
		c := e.openWS()
		s := e.session().s
		large := text(50_000, "x")
		if err := s.Send(large); err != nil {
			t.Fatalf("into an empty queue: %v", err)
		}
		synctest.Wait()
		for range 9 { // what comes meanwhile is a backlog of its own
			if err := s.Send(text(1000, "e")); err != nil {
				t.Fatalf("behind it: %v", err)
			}
		}
		if err := s.Send(text(20_000, "y")); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a second one: %v", err)
		}
		if !s.Busy() || !s.isOpen() {
			t.Errorf("busy %v, open %v", s.Busy(), s.isOpen())
		}
		c.want("4" + strings.Repeat("x", 50_000))
		for range 9 {
			c.want("4" + strings.Repeat("e", 1000))
		}
		synctest.Wait()
		if s.Busy() || e.srv.used() != 0 || s.Queued() != 0 {
			t.Errorf("busy %v, %d bytes of the budget, %d queued", s.Busy(), e.srv.used(), s.Queued())
		}
		if err := s.Send(text(20_000, "z")); err != nil {
			t.Errorf("after that: %v", err)
		}
		c.want("4" + strings.Repeat("z", 20_000))
	})
}

// A small backlog is no reason to refuse a large message, and one of many frames is one message.
func TestMessageAboveTheBoundBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, small)
		c := e.openWS()
		s := e.session().s
		s.Send(text(100, "a"))
		frames := []*Frame{text(100, "h")}
		for range 20 {
			frames = append(frames, NewFrame(make([]byte, 1000), true))
		}
		if err := s.Send(frames...); err != nil {
			t.Fatal(err)
		}
		s.Send(text(9000, "b"))
		c.want("4" + strings.Repeat("a", 100))
		c.want("4" + strings.Repeat("h", 100))
		for range 20 {
			if op, data := c.recv(); op != ws.OpBinary || len(data) != 1000 {
				t.Fatalf("%v of %d bytes", op, len(data))
			}
		}
		c.want("4" + strings.Repeat("b", 9000))
		synctest.Wait()
		if s.Busy() || e.srv.used() != 0 {
			t.Errorf("busy %v, %d bytes of the budget", s.Busy(), e.srv.used())
		}
	})
}

func TestMessageAboveTheBoundPolling(t *testing.T) {
	e := newTCPEnv(t, small)
	c := e.openPolling()
	s := e.session().s
	body := e.srv.NewBody(200_000)
	body.Set(bytes.Repeat([]byte("x"), 200_000))
	s.Send(text(5, "a"))
	if err := s.Send(NewSharedFrame([]byte("<"), body, []byte(">"))); err != nil {
		t.Fatal(err)
	}
	body.Release()
	s.Send(text(5, "b"))
	c.wantPoll(200, "4aaaaa")
	if e.srv.used() != 200_000 {
		t.Errorf("%d bytes of the budget before it is sent", e.srv.used())
	}
	c.wantPoll(200, "4<"+strings.Repeat("x", 200_000)+">")
	c.wantPoll(200, "4bbbbb")
	if s.Busy() || e.srv.used() != 0 {
		t.Errorf("busy %v, %d bytes of the budget", s.Busy(), e.srv.used())
	}
}

// What many sessions get counts once, until the last of them has it or is gone.
func TestBudgetCountsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, small)
		var clients []*wsClient
		var sessions []*Session
		for range 3 {
			clients = append(clients, e.openWS())
			sessions = append(sessions, e.session().s)
		}
		shared, other := text(60_000, "s"), text(60_000, "o")
		for _, s := range sessions[:2] {
			if err := s.Send(shared); err != nil {
				t.Fatal(err)
			}
		}
		if err := sessions[2].Send(other); !errors.Is(err, ErrTooLarge) {
			t.Errorf("past the budget: %v", err)
		}
		if got := e.srv.used(); got != shared.size() {
			t.Errorf("%d bytes of the budget, want %d", got, shared.size())
		}
		clients[0].recv()
		synctest.Wait()
		if e.srv.used() == 0 {
			t.Error("forgotten while a session still has it")
		}
		sessions[1].Abort(ReasonForcedClose)
		synctest.Wait()
		if got := e.srv.used(); got != 0 {
			t.Errorf("%d bytes of the budget left", got)
		}
		if err := sessions[2].Send(text(300_000, "h")); err != nil {
			t.Errorf("larger than the budget, alone: %v", err)
		}
	})
}

// Bodies get their share in the order in which they asked, whatever becomes of those before them.
func TestBodiesWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, small)
		e.openWS()
		s := e.session().s
		ready := func(b *Body) bool {
			select {
			case <-b.Ready():
				return true
			default:
				return false
			}
		}
		first, second, third := e.srv.NewBody(70_000), e.srv.NewBody(70_000), e.srv.NewBody(20_000)
		if !ready(first) || ready(second) || ready(third) {
			t.Fatal("shares before their turn")
		}
		if err := s.Send(text(15_000, "e")); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a message sent while bodies wait for a share: got %v, want ErrTooLarge", err)
		}
		second.Release()
		if !ready(third) {
			t.Error("the third waits for one that gave up")
		}
		first.Set(bytes.Repeat([]byte("x"), 50_000))
		if err := s.Send(NewSharedFrame([]byte("<"), first, []byte(">"))); err != nil {
			t.Fatal(err)
		}
		first.Release()
		third.Release()
		if got := e.srv.used(); got != 50_000 {
			t.Errorf("%d bytes of the budget", got)
		}
		s.Abort(ReasonForcedClose)
		if got := e.srv.used(); got != 0 {
			t.Errorf("%d bytes of the budget left", got)
		}
	})
}

func TestSendWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, small)
		c := e.openWS()
		s := e.session().s
		sent := 0
		for s.SendWithin(5000, text(1000, "x")) == nil {
			sent++
			synctest.Wait()
		}
		if err := s.SendWithin(5000, text(1000, "x")); !errors.Is(err, ErrFull) || sent != 4 {
			t.Errorf("%v after %d messages", err, sent)
		}
		if err := s.SendWithin(5000, text(10, "x")); err != nil {
			t.Errorf("one that fits: %v", err)
		}
		for range 5 {
			c.recv()
		}
		synctest.Wait()
		if err := s.SendWithin(500, text(2000, "y")); err != nil {
			t.Errorf("a long one, when nothing waits: %v", err)
		}
	})
}

// Identity tells the log whose session it is.
func (h *recorder) Identity() string { return "somebody" }

func TestSlowConsumersAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logtest.Log
		cfg := small
		cfg.Logger = l.Logger(slog.LevelInfo)
		e := newPipeEnv(t, cfg)
		for range 3 {
			e.openWS()
			h := e.session()
			for h.s.Send(text(2000, "x")) == nil {
			}
			h.wantClosed(t, ReasonSlowConsumer)
		}
		got := l.String()
		for _, want := range []string{"level=WARN", `reason="slow consumer"`, "user=somebody", "address=pipe"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in the log:\n%s", want, got)
			}
		}
		if n := strings.Count(got, "\n"); n != 1 {
			t.Errorf("%d lines within a second:\n%s", n, got)
		}
	})
}
