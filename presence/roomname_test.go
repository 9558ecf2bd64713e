package presence_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

type selfAck struct {
	OK   bool
	Code string
	Self struct{ ConnID string }
}

func decode(t *testing.T, raw string) (a selfAck) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &a); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return a
}

// What the application sends to one socket reaches no other one, whatever room
// that one joins.
func TestARoomNamedLikeASocket(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	url := serveOn(t, server, presence.Options{})
	victim, spy := connect(t, url, ""), connect(t, url, "")
	id := decode(t, victim.ask("presence:join", `{"roomId":"r","userId":"u"}`)).Self.ConnID
	spy.ask("presence:join", `{"roomId":"`+id+`","userId":"spy"}`)
	if err := server.Of("/").To(id).Emit(context.Background(), "private", "secret"); err != nil {
		t.Fatal(err)
	}
	spy.ask("presence:heartbeat", `{}`)
	for _, e := range spy.events {
		if strings.Contains(e, "secret") {
			t.Errorf("the spy heard %s", e)
		}
	}
}

// Nor does a relayed event to such a room reach that socket.
func TestARelayToARoomNamedLikeASocket(t *testing.T) {
	_, url := serve(t, presence.Options{RelayEvents: []string{"chat"}})
	victim, spy := connect(t, url, ""), connect(t, url, "")
	id := decode(t, victim.ask("presence:join", `{"roomId":"r","userId":"u"}`)).Self.ConnID
	spy.ask("presence:join", `{"roomId":"`+id+`","userId":"spy"}`)
	spy.ask("chat", `{"roomId":"`+id+`"}`)
	victim.ask("presence:heartbeat", `{}`)
	for _, e := range victim.events {
		if strings.Contains(e, "chat") {
			t.Errorf("the socket heard %s of a room that it is not in", e)
		}
	}
}

func serveOn(t *testing.T, server *socketio.Server, o presence.Options) string {
	t.Helper()
	o.IO = server
	if _, err := presence.Init(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	return listenOn(t, server)
}
