package presence_test

import (
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/redis"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// Namespaces with presence on one Redis are worlds of their own.
func TestNamespacesOnOneRedis(t *testing.T) {
	srv := redistest.Start(t)
	members, err := redis.New(redis.Options{URL: srv.URL()})
	if err != nil {
		t.Fatal(err)
	}
	var clients []*wire
	var first *socketio.Server
	var firstURL string
	for _, namespace := range []string{"/", "/chat", "/"} {
		rt, url, server := serveIO(t, presence.Options{Namespace: namespace, Store: members})
		if first == nil {
			first, firstURL = server, url
		}
		c := connectTo(t, url, namespace)
		user := "user-" + string(rune('a'+len(clients)))
		ack := c.ask("presence:join", `{"roomId":"r","userId":"`+user+`"}`)
		want := 1
		if len(clients) == 2 {
			want = 2 // with the first
		}
		if n := strings.Count(ack, `"userId"`); n != want {
			t.Errorf("%s: a snapshot of %d members, want %d: %s", namespace, n, want, ack)
		}
		found, err := rt.Members(t.Context(), "r")
		if err != nil || len(found) != want {
			t.Errorf("%s: %+v, %v", namespace, found, err)
		}
		clients = append(clients, c)
	}
	clients[0].until(`"user-c"`)
	clients[2].ask("presence:leave", `{}`)
	clients[0].until(`"type":"leave"`)
	clients[1].ask("presence:heartbeat", `{}`) // what comes for it is here by now
	for _, e := range clients[1].events {
		if !strings.Contains(e, `"user-b"`) {
			t.Errorf("/chat heard %s", e)
		}
	}
	// The first server serves the other namespace, too: there it meets the second one.
	if _, err := presence.Init(t.Context(), presence.Options{IO: first, Namespace: "/chat", Store: members}); err != nil {
		t.Fatal(err)
	}
	d := connectTo(t, firstURL, "/chat")
	if ack := d.ask("presence:join", `{"roomId":"r","userId":"user-d"}`); !strings.Contains(ack, `"user-b"`) || strings.Contains(ack, `"user-a"`) {
		t.Errorf("/chat on the first server: %s", ack)
	}
	clients[1].until(`"user-d"`)
	keys, err := srv.Do("KEYS", "*{room:r}*")
	if err != nil || len(keys) != 2 {
		t.Errorf("rooms in Redis: %q, %v", keys, err)
	}
}

// connectTo is connect for a namespace.
func connectTo(t *testing.T, url, namespace string) *wire {
	t.Helper()
	w := connect(t, url, "")
	if namespace != "/" {
		w.namespace = namespace + ","
		w.send("40" + w.namespace)
		w.next("40" + w.namespace)
	}
	return w
}
