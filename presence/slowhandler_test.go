package presence_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// A member whose connection has ended leaves at once, although a handler or an
// OnConnect function of the application still runs for its socket.
func TestLeaveDoesNotWaitForHandlers(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	began, release, ended := make(chan bool), make(chan bool), make(chan bool, 10)
	root := server.Of("/")
	root.On("work", func(context.Context, *socketio.Socket, *socketio.Message) error {
		began <- true
		<-release
		return nil
	})
	root.OnDisconnect(func(*socketio.Socket, socketio.Reason) { ended <- true })
	rt, err := presence.Init(context.Background(), presence.Options{IO: server})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server)
	watcher := connect(t, srv.URL, "")
	defer func() {
		_ = watcher.conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		_ = rt.Close(ctx)
		_ = server.Close(ctx)
		srv.Close()
	}()
	watcher.ask("presence:join", `{"roomId":"r","userId":"watcher"}`)
	for name, end := range map[string]func(w *wire){
		"lost": func(w *wire) { _ = w.conn.Close() },
		"left": func(w *wire) { w.send("41") },
	} {
		c := connect(t, srv.URL, "")
		c.ask("presence:join", `{"roomId":"r","userId":"`+name+`"}`)
		c.send(`42["work"]`)
		<-began
		end(c)
		for !strings.Contains(watcher.event(), `"type":"leave","roomId":"r","userId":"`+name+`"`) {
		}
		if len(ended) > 0 {
			t.Errorf("%s: OnDisconnect ran before the last handler had returned", name)
		}
		release <- true
		<-ended
		_ = c.conn.Close()
	}
}

// A socket that ends while it is made known to presence is not remembered.
func TestSocketsThatEndAtOnceAreForgotten(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server.Of("/").OnConnect(func(_ context.Context, s *socketio.Socket) { s.Disconnect() }) // before presence hears of it
	rt, err := presence.Init(context.Background(), presence.Options{IO: server})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server)
	defer srv.Close()
	for range 3 {
		c := connect(t, srv.URL, "")
		c.next("41")
		_ = c.conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		t.Error(err)
	}
	if n := presence.KnownSockets(rt); n != 0 {
		t.Errorf("%d sockets are remembered", n)
	}
	_ = rt.Close(ctx)
}
