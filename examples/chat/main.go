// Command chat has events of its own beside presence: chat:message is checked,
// numbered, acknowledged, and sent to the others in the room.
//
//	go run ./examples/chat
//
// A client joins with presence:join and then sends
//
//	socket.emit("chat:message", { roomId: "lobby", text: "hello" }, (ack) => …)
//
// HOST and PORT (default: all interfaces, 3000) choose where it listens.
package main

import (
	"cmp"
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

type message struct {
	RoomID string `json:"roomId"`
	Text   string `json:"text"`
}

type delivered struct {
	OK   bool   `json:"ok"`
	ID   int64  `json:"id"`
	From string `json:"from"` // the sender's socket id
	Text string `json:"text"`
}

type chat struct{ lastID atomic.Int64 }

// say handles chat:message. Its result is the acknowledgement.
func (c *chat) say(ctx context.Context, s *socketio.Socket, m message) (delivered, error) {
	// A member of a room is in the Socket.IO room of the same name.
	if !s.InRoom(m.RoomID) {
		return delivered{}, &socketio.AckError{Code: "not_joined", Message: "Join the room before talking in it."}
	}
	text := strings.TrimSpace(m.Text)
	if text == "" {
		return delivered{}, &socketio.AckError{Code: "invalid_payload", Message: "text is empty."}
	}
	d := delivered{OK: true, ID: c.lastID.Add(1), From: s.ID(), Text: text}
	return d, s.To(m.RoomID).Emit(ctx, "chat:message", d)
}

func main() {
	// Any origin may connect: this is for trying out.
	config := socketio.Config{}
	config.Engine.AllowedOrigins = []string{"*"}
	io, err := socketio.NewServer(config)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := presence.Init(context.Background(), presence.Options{IO: io}); err != nil {
		log.Fatal(err)
	}
	io.Of("/").On("chat:message", socketio.Typed(new(chat).say))

	http.Handle("/socket.io/", io)
	addr := net.JoinHostPort(os.Getenv("HOST"), cmp.Or(os.Getenv("PORT"), "3000"))
	log.Printf("listening on %s", addr)
	log.Fatal(http.ListenAndServe(addr, nil))
}
