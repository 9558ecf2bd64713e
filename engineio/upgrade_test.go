package engineio

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

func (c pollClient) dialUpgrade() *wsClient {
	c.t.Helper()
	w := c.dialWS("EIO=4&transport=websocket&sid=" + c.sid)
	if w.res.StatusCode != 101 {
		c.t.Fatalf("upgrade: %s", w.res.Status)
	}
	return w
}

// probeUpgrade begins an upgrade: the probe is sent and answered.
func (c pollClient) probeUpgrade() *wsClient {
	c.t.Helper()
	w := c.dialUpgrade()
	w.send("2probe")
	w.want("3probe")
	return w
}

func TestUpgrade(t *testing.T) {
	eachNet(t, func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env) {
		e := newEnv(t, Config{})
		poll := e.openPolling()
		s := e.session().s
		w := poll.probeUpgrade()
		poll.wantPoll(200, "6")
		if s.Transport() != Polling {
			t.Error("upgraded before the client said so")
		}
		w.send("5", "4hello")
		w.want("4hello")
		if s.Transport() != WebSocket {
			t.Error("not upgraded")
		}
		poll.wantPoll(400, "")
		poll.wantPost(400, "4lost")
		w.send("4still")
		w.want("4still")
	})
}

func TestUpgradeReleasesPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		poll := e.openPolling()
		done := async(func() { poll.wantPoll(200, "6") })
		synctest.Wait()
		w := poll.probeUpgrade()
		start := time.Now()
		done()
		// A client that polls on is slowed down, and told by the end of the upgrade.
		poll.wantPoll(200, "6")
		if took := time.Since(start); took != firstNoop+noopPause {
			t.Errorf("two polls took %v, want %v", took, firstNoop+noopPause)
		}
		done = async(func() { poll.wantPoll(400, "") })
		synctest.Wait()
		w.send("5", "4x")
		w.want("4x")
		done()
	})
}

// A poll from before the upgrade is answered even if the client does not wait for it.
func TestUpgradeWithPollWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		poll := e.openPolling()
		done := async(func() { poll.wantPoll(200, "6") })
		synctest.Wait()
		w := poll.dialUpgrade()
		sent := async(func() { w.send("2probe", "5") })
		w.want("3probe")
		sent()
		done()
		w.send("4x")
		w.want("4x")
	})
}

// Frames that are sent all the time arrive exactly once and in order, over whichever transport.
func TestUpgradeKeepsOrder(t *testing.T) {
	e := newTCPEnv(t, Config{})
	poll := e.openPolling()
	s := e.session().s
	const n = 2000
	sent := async(func() {
		for i := range n {
			if err := s.Send(NewFrame(fmt.Append(nil, i), false)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	next := 0
	take := func(payload string) {
		t.Helper()
		for rest := []byte(payload); len(rest) > 0; {
			packet, _, more, err := cutPacket(rest)
			if err != nil {
				t.Fatal(err)
			}
			rest = more
			if string(packet) == "6" {
				continue
			}
			if string(packet) != fmt.Sprintf("4%d", next) {
				t.Fatalf("got %q, want number %d", packet, next)
			}
			next++
		}
	}
	pollOnce := func() {
		res, body := e.request("GET", poll.query(), "")
		if res.StatusCode != 200 {
			t.Fatal(res.Status, body)
		}
		take(body)
	}
	pollOnce()
	w := poll.probeUpgrade()
	pollOnce()
	w.send("5")
	for next < n {
		_, data := w.recv()
		take(string(data))
	}
	sent()
}

func TestUpgradeOnlyOnce(t *testing.T) {
	e := newTCPEnv(t, Config{})
	poll := e.openPolling()
	w := poll.dialUpgrade()
	w.send("2probe", "5")
	w.want("3probe")
	w.send("4up")
	w.want("4up")
	again := poll.dialUpgrade()
	again.wantClose(ws.StatusPolicyViolation)
	w.send("4hello")
	w.want("4hello")
}

func TestUpgradeFails(t *testing.T) {
	for name, fail := range map[string]func(w *wsClient){
		"closed":       func(w *wsClient) { w.conn.Close() },
		"after probe":  func(w *wsClient) { w.send("2probe"); w.want("3probe"); w.conn.Close() },
		"close frame":  func(w *wsClient) { w.write(ws.MaskFrame(ws.NewCloseFrame(nil))) },
		"no probe":     func(w *wsClient) { w.send("5") },
		"message":      func(w *wsClient) { w.send("4x") },
		"second probe": func(w *wsClient) { w.send("2probe", "2probe") },
		"binary":       func(w *wsClient) { w.write(ws.MaskFrame(ws.NewBinaryFrame([]byte("5")))) },
		"fault":        func(w *wsClient) { w.write(ws.NewTextFrame([]byte("2probe"))) },
		"timeout":      func(w *wsClient) { w.wantEOF() },
		"probe, timeout": func(w *wsClient) {
			w.send("2probe")
			w.want("3probe")
			w.wantEOF()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newPipeEnv(t, Config{})
				poll := e.openPolling()
				w := poll.dialUpgrade()
				fail(w)
				drained := async(func() { w.conn.Read(make([]byte, 100)) }) // a pipe holds nothing back
				synctest.Wait()
				w.conn.Close()
				drained()
				synctest.Wait()
				polled := async(func() { poll.wantPoll(200, "4still") })
				time.Sleep(time.Second)
				poll.wantPost(200, "4still")
				polled()
				// A later attempt is as good as the first.
				w = poll.probeUpgrade()
				w.send("5", "4up")
				w.want("4up")
				time.Sleep(11 * time.Second) // the time limit of upgrades has no hold on it any more
				w.send("4still up")
				w.want("4still up")
			})
		})
	}
}

func TestUpgradePingPong(t *testing.T) {
	e := newTCPEnv(t, Config{})
	poll := e.openPolling()
	w := poll.dialUpgrade()
	w.write(ws.MaskFrame(ws.NewPingFrame([]byte("x"))))
	if op, data := w.recv(); op != ws.OpPong || string(data) != "x" {
		t.Errorf("got %v %q", op, data)
	}
}

func TestSessionClosesDuringUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		poll := e.openPolling()
		s := e.session()
		w := poll.probeUpgrade()
		s.s.Close(ReasonForcedClose)
		s.wantClosed(t, ReasonForcedClose)
		start := time.Now()
		poll.wantPoll(200, "1")
		w.wantEOF()
		if took := time.Since(start); took != 0 {
			t.Errorf("the WebSocket was closed after %v", took)
		}
	})
}

// A POST in flight when the upgrade completes is handled first.
func TestUpgradeWaitsForPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var got []string
		e := newPipeEnv(t, Config{}, onMessage(func(s *Session, data []byte, _ bool) {
			if string(data) == "post" {
				<-release
			}
			got = append(got, string(data))
			s.Send(NewFrame(data, false))
		}))
		poll := e.openPolling()
		w := poll.probeUpgrade()
		done := async(func() { poll.wantPost(200, "4post") })
		synctest.Wait()
		sent := async(func() { w.send("5", "4socket") })
		synctest.Wait()
		close(release)
		sent()
		done()
		w.want("4post")
		w.want("4socket")
		if len(got) != 2 || got[0] != "post" {
			t.Errorf("handled %v", got)
		}
	})
}

// A server that stops closes a session whose client is past its last poll: the
// WebSocket of its upgrade says so.
func TestServerClosesDuringUpgrade(t *testing.T) {
	for name, polls := range map[string]bool{"polling": true, "upgrading": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newPipeEnv(t, Config{})
				poll := e.openPolling()
				s := e.session()
				w := poll.probeUpgrade()
				s.s.Close(ReasonShutdown)
				s.wantClosed(t, ReasonShutdown)
				if polls {
					poll.wantPoll(200, "1")
					w.wantEOF()
					return
				}
				sent := async(func() { w.send("5") })
				w.wantClose(ws.StatusGoingAway)
				sent()
			})
		})
	}
}
