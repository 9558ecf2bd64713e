//go:build unix

package chaos

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	wire "github.com/realtime-ai/realtime-message-go/internal/client"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// A client closes its socket while requests are in flight, and their answers come all the same,
// with the events behind them: it is not taken for one that has a socket.
func TestAnswersAfterTheCloseAreNotHeard(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	web := httptest.NewServer(server)
	defer web.Close()
	yes := []byte(`[{"ok":true,"resumed":true,"changed":true,"seq":9,"self":{"connId":"conn","epoch":2,"graceMs":5000,"resume":"token"}}]`)
	joined := []byte(`["presence:event",{"type":"join","roomId":"r","connId":"conn","userId":"u","seq":9,"prev":8,"epoch":2,"ts":1,"userConns":1,"status":"online","state":{}}]`)
	for name, ask := range map[string]func(c *client, s *session, l *life){
		"resume": func(c *client, s *session, l *life) { c.join(s, "r") },
		"join":   func(c *client, s *session, l *life) { delete(c.lives, "r"); c.join(s, "r") },
	} {
		for end, closes := range map[string]func(c *client, s *session){"drop": (*client).drop, "vanish": (*client).vanish} {
			t.Run(name+" "+end, func(t *testing.T) {
				conn, err := wire.Dial(t.Context(), web.URL)
				if err != nil {
					t.Fatal(err)
				}
				w := &world{truth: newTruth(), tally: newTally("test")}
				n := &node{name: "node"}
				c := &client{w: w, name: "c", user: "u", grace: 5 * time.Second, lives: make(map[string]*life), want: map[string]bool{}}
				s := newSession(c, n, conn)
				c.sess = s
				l := begin(w.truth, n, 5*time.Second)
				w.truth.lost(l, time.Now(), "before")
				c.lives["r"] = l
				ask(c, s, l)
				closes(c, s)
				s.handle(wire.Packet{Kind: wire.Ack, Ack: 0, Body: yes})
				s.handle(wire.Packet{Kind: wire.Event, Body: joined})
				s.dropping = true
				s.end(errors.New("closed"))
				if got := w.tally.words; len(got) > 0 {
					t.Errorf("complaints: %v", got)
				}
				for _, l := range w.truth.lives {
					if l.phase == live {
						t.Errorf("taken for live: %s", l.history())
					}
				}
			})
		}
	}
}
