package presence_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/redis"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

func TestAuthorize(t *testing.T) {
	_, url := serve(t, presence.Options{
		Authorize: func(_ context.Context, s *socketio.Socket, r presence.JoinRequest) error {
			switch {
			case string(s.Handshake().Auth) == "{}":
				return presence.ErrUnauthorized
			case r.RoomID == "secret":
				return fmt.Errorf("policy: %w", &presence.Error{Code: presence.CodeForbidden, Message: "Ask the owner."})
			case r.RoomID == "broken":
				return errors.New("the policy's database is down")
			case r.RoomID == "bug":
				panic("out of range")
			}
			return nil
		},
	})
	if got := connect(t, url, "").code("presence:join", `{"roomId":"r","userId":"u"}`); got != "unauthorized" {
		t.Errorf("without a token: %s", got)
	}
	c := connect(t, url, `{"token":"t"}`)
	for room, want := range map[string]string{"secret": "forbidden", "broken": "forbidden", "bug": "internal"} {
		if got := c.code("presence:join", `{"roomId":"`+room+`","userId":"u"}`); got != want {
			t.Errorf("room %s: %s, want %s", room, got, want)
		}
	}
	if ack := c.ask("presence:join", `{"roomId":"secret","userId":"u"}`); !strings.Contains(ack, "Ask the owner.") {
		t.Errorf("the policy's sentence is lost: %s", ack)
	}
	if ack := c.ask("presence:join", `{"roomId":"r","userId":"u"}`); !strings.HasPrefix(ack, `{"ok":true`) {
		t.Errorf("allowed: %s", ack)
	}
}

func TestInvalidPayloadsNameTheField(t *testing.T) {
	_, url := serve(t, presence.Options{})
	c := connect(t, url, "")
	for payload, field := range map[string]string{
		``:                                   "roomId",
		`null`:                               "roomId",
		`"r"`:                                "payload",
		`[]`:                                 "payload",
		`{"roomId":"r"}`:                     "userId",
		`{"roomId":"","userId":"u"}`:         "roomId",
		`{"roomId":7,"userId":"u"}`:          "roomId",
		`{"roomId":"r","userId":null}`:       "userId",
		`{"roomId":"a\u0000b","userId":"u"}`: "roomId",
		`{"roomId":"a\u007fb","userId":"u"}`: "roomId",
		`{"roomId":"\ud83d","userId":"u"}`:   "roomId",
		`{"roomId":"` + strings.Repeat("é", 128) + `x","userId":"u"}`: "roomId",
		`{"roomId":"r","userId":"u","state":[]}`:                      "state",
		`{"roomId":"r","userId":"u","state":"x"}`:                     "state",
		`{"roomId":"r","userId":"u","graceMs":-1}`:                    "graceMs",
		`{"roomId":"r","userId":"u","graceMs":1.5}`:                   "graceMs",
		`{"roomId":"r","userId":"u","graceMs":"1"}`:                   "graceMs",
		`{"roomId":"r","userId":"u","resume":1}`:                      "resume",
	} {
		ack := c.ask("presence:join", payload)
		if !strings.Contains(ack, `"code":"invalid_payload"`) || !strings.Contains(ack, field) {
			t.Errorf("%.80s: %s", payload, ack)
		}
	}
	if ack := c.ask("presence:join", `{"roomId":"`+strings.Repeat("é", 128)+`","userId":"{a:b} 😀"}`); !strings.HasPrefix(ack, `{"ok":true`) {
		t.Errorf("256 bytes: %s", ack)
	}
}

func TestStateLimit(t *testing.T) {
	_, url := serve(t, presence.Options{MaxStateBytes: 32})
	c := connect(t, url, "")
	if got := c.code("presence:join", `{"roomId":"r","userId":"u","state":{"a":"`+strings.Repeat("x", 30)+`"}}`); got != "state_too_large" {
		t.Errorf("join: %s", got)
	}
	c.ask("presence:join", `{"roomId":"r","userId":"u","state":{"a":"xxxxxxxxxx"}}`)
	if got := c.code("presence:heartbeat", `{"patchState":{"b":"yyyyyyyyyyyyyyy"}}`); got != "state_too_large" {
		t.Errorf("the state after the merge: %s", got)
	}
	if ack := c.ask("presence:heartbeat", `{"patchState":{"a":"yyyyyyyyyyyyyyy"}}`); !strings.Contains(ack, `"changed":true`) {
		t.Errorf("a patch that replaces: %s", ack)
	}
}

func TestRelay(t *testing.T) {
	_, url := serve(t, presence.Options{RelayEvents: []string{"chat:*", "cursor"}})
	a, b, c := connect(t, url, ""), connect(t, url, ""), connect(t, url, "")
	for _, w := range []*wire{a, b} {
		w.ask("presence:join", `{"roomId":"r","userId":"u"}`)
		w.ask("presence:join", `{"roomId":"s","userId":"u"}`)
	}
	c.ask("presence:join", `{"roomId":"x","userId":"u"}`)
	if ack := a.ask("chat:message", `{"roomId":"r","text":"<hi> & 1e400"}`); ack != `{"ok":true}` {
		t.Errorf("ack: %s", ack)
	}
	if ack := a.ask("cursor", `1,[2]`); ack != `{"ok":true}` { // to both rooms, once
		t.Errorf("ack: %s", ack)
	}
	if got := a.code("chat:message", `{"roomId":"x"}`); got != "not_joined" {
		t.Errorf("a foreign room: %s", got)
	}
	a.ask("chat:end", `{}`)
	var relayed []string
	for len(relayed) == 0 || relayed[len(relayed)-1] != `["chat:end",{}]` {
		if e := b.event(); !strings.HasPrefix(e, `["presence:`) {
			relayed = append(relayed, e)
		}
	}
	want := `["chat:message",{"roomId":"r","text":"<hi> & 1e400"}]` + "\n" + `["cursor",1,[2]]` + "\n" + `["chat:end",{}]`
	if got := strings.Join(relayed, "\n"); got != want {
		t.Errorf("b heard\n%s\nwant\n%s", got, want)
	}
	c.ask("presence:heartbeat", ``)
	a.ask("presence:heartbeat", `{}`)
	for _, w := range []*wire{a, c} {
		for _, e := range w.events {
			if !strings.HasPrefix(e, `["presence:`) {
				t.Errorf("the sender or a stranger heard %s", e)
			}
		}
	}
}

// Broadcasts of the application reach the sockets of every node, once.
func TestBroadcastsAcrossNodes(t *testing.T) {
	members, err := redis.New(redis.Options{URL: redistest.Start(t).URL()})
	if err != nil {
		t.Fatal(err)
	}
	_, urlA := serve(t, presence.Options{Store: members, RelayEvents: []string{"chat"}})
	_, urlB := serve(t, presence.Options{Store: members, RelayEvents: []string{"chat"}})
	a, b := connect(t, urlA, ""), connect(t, urlB, "")
	for _, w := range []*wire{a, b} {
		for _, room := range []string{"r", "s"} {
			w.ask("presence:join", `{"roomId":"`+room+`","userId":"u"}`)
		}
	}
	a.ask("chat", `{"n":1}`)
	a.ask("chat", `{"roomId":"s","n":2}`)
	a.ask("chat", `{"roomId":"r","last":true}`)
	counts := make(map[string]int)
	for last := false; !last; {
		e := b.event()
		if strings.HasPrefix(e, `["chat"`) {
			counts[e]++
		}
		last = strings.Contains(e, "last")
	}
	if len(counts) != 3 || counts[`["chat",{"n":1}]`] != 1 {
		t.Errorf("heard %v", counts)
	}
}

func TestRuntimeAnswersGoCode(t *testing.T) {
	rt, url := serve(t, presence.Options{})
	ctx := context.Background()
	events := make(chan presence.Event, 10)
	sub, members, err := rt.Subscribe(ctx, "r", func(e presence.Event) { events <- e })
	if err != nil || len(members) != 0 {
		t.Fatal(members, err)
	}
	c := connect(t, url, "")
	c.ask("presence:join", `{"roomId":"r","userId":"u","state":{"a":1}}`)
	if e := <-events; e.Type != presence.EventJoin || e.UserID != "u" || string(e.State) != `{"a":1}` || e.UserConns != 1 {
		t.Errorf("%+v", e)
	}
	found, err := rt.Members(ctx, "r")
	if err != nil || len(found) != 1 || found[0].Status != presence.StatusOnline || time.Since(found[0].Joined) > time.Minute {
		t.Errorf("members: %+v, %v", found, err)
	}
	where, err := rt.RoomsOf(ctx, "u")
	if err != nil || len(where) != 1 || where[0].RoomID != "r" || where[0].ConnID != found[0].ConnID {
		t.Errorf("rooms: %+v, %v", where, err)
	}
	if n, err := rt.Kick(ctx, presence.KickTarget{RoomID: "r", UserID: "u"}); n != 1 || err != nil {
		t.Errorf("kick: %d, %v", n, err)
	}
	if e := <-events; e.Type != presence.EventLeave || e.Reason != presence.ReasonKicked || e.State != nil {
		t.Errorf("%+v", e)
	}
	if ack := c.ask("presence:join", `{"roomId":"r","userId":"u"}`); !strings.HasPrefix(ack, `{"ok":true`) {
		t.Errorf("the socket after the kick: %s", ack)
	}
	if n, err := rt.Kick(ctx, presence.KickTarget{RoomID: "r", UserID: "u", Disconnect: true}); n != 1 || err != nil {
		t.Errorf("kick: %d, %v", n, err)
	}
	c.next("41") // in no room any more: a disconnect packet
	sub.Close()
	sub.Close()
	if _, err := rt.Kick(ctx, presence.KickTarget{RoomID: "r"}); err == nil {
		t.Error("a kick of nobody was taken")
	}
}

func TestInitRefusesBadOptions(t *testing.T) {
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer io.Close(context.Background())
	for field, o := range map[string]presence.Options{
		"IO":             {},
		"TTL":            {IO: io, TTL: time.Millisecond},
		"ReaperLookback": {IO: io, ReaperLookback: 30 * time.Second},
		"MaxRooms":       {IO: io, MaxRooms: -1},
		"MaxIDBytes":     {IO: io, MaxIDBytes: 1 << 40},
		"MaxGrace":       {IO: io, MaxGrace: 1<<63 - 1},
		"Options.TTL":    {IO: io, TTL: 1 << 62},
		"NodeLease":      {IO: io, NodeLease: -time.Second},
		"RelayEvents":    {IO: io, RelayEvents: []string{"a*b"}},
	} {
		if _, err := presence.Init(context.Background(), o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// The context is for Init only: that it ends, as after defer cancel(), changes
// nothing. Closing the server ends the Runtime.
func TestInitOutlivesItsContext(t *testing.T) {
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(io.ServeHTTP))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	rt, err := presence.Init(ctx, presence.Options{IO: io})
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, srv.URL, "")
	c.ask("presence:join", `{"roomId":"r","userId":"u"}`)
	if ack := c.ask("presence:heartbeat", `{"patchState":{"a":1}}`); !strings.Contains(ack, `"changed":true`) {
		t.Errorf("after the context ended: %s", ack)
	}
	if members, err := rt.Members(t.Context(), "r"); len(members) != 1 || err != nil {
		t.Errorf("members: %v, %v", members, err)
	}
	if err := io.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if code := c.closeCode(); code != ws.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
	if _, _, err := rt.Subscribe(t.Context(), "r", func(presence.Event) {}); !errors.Is(err, presence.ErrClosed) {
		t.Errorf("subscribe after the server closed: %v", err)
	}
}
