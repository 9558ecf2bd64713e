// Command chat has events of its own beside presence: chat:message is checked,
// numbered, acknowledged, and sent to the others in the room.
//
//	go run ./examples/chat
//
// A client joins with presence:join and then sends
//
//	socket.emit("chat:message", { roomId: "lobby", text: "hello" }, (ack) => …)
//
// HOST and PORT (default: localhost, 3000) choose where it listens.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// roomPrefix keeps the rooms of presence, which clients choose, apart from other
// Socket.IO rooms of the application.
const roomPrefix = "presence/"

type message struct {
	RoomID string `json:"roomId"`
	Text   string `json:"text"`
}

type delivered struct {
	OK   bool   `json:"ok"`
	ID   int64  `json:"id"`
	From string `json:"from"` // the sender's userId
	Text string `json:"text"`
}

type chat struct{ lastID atomic.Int64 }

// say handles chat:message. Its result is the acknowledgement.
func (c *chat) say(ctx context.Context, s *socketio.Socket, m message) (delivered, error) {
	sender, ok := presence.MemberOf(s, m.RoomID)
	if !ok {
		return delivered{}, &socketio.AckError{Code: "not_joined", Message: "Join the room before talking in it."}
	}
	text := strings.TrimSpace(m.Text)
	if text == "" {
		return delivered{}, &socketio.AckError{Code: "invalid_payload", Message: "text is empty."}
	}
	d := delivered{OK: true, ID: c.lastID.Add(1), From: sender.UserID, Text: text}
	return d, s.To(roomPrefix+m.RoomID).Emit(ctx, "chat:message", d)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "localhost"), cmp.Or(os.Getenv("PORT"), "3000")))
	if err == nil {
		log.Printf("listening on %s", listener.Addr())
		err = run(ctx, listener)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends, and then lets the clients go.
func run(ctx context.Context, listener net.Listener) error {
	// Pages of this machine may connect, at whatever port: this is for trying out.
	config := socketio.Config{}
	config.Engine.AllowedOrigins = []string{"http://localhost:*", "http://127.0.0.1:*"}
	io, err := socketio.NewServer(config)
	if err != nil {
		return err
	}
	rt, err := presence.Init(ctx, presence.Options{IO: io, RoomPrefix: roomPrefix})
	if err != nil {
		return err
	}
	io.Of("/").On("chat:message", socketio.Typed(new(chat).say))

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/socket.io", io)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	io.Refuse() // in this order, see "Stopping" in docs/embedding.md
	return errors.Join(err, rt.Close(closing), io.Close(closing), server.Shutdown(closing))
}
