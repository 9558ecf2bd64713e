// Command embed adds presence to an HTTP server that has other things to do.
//
//	go run ./examples/embed                                    members in memory
//	REDIS_URL=redis://localhost:6379 go run ./examples/embed   members in Redis
//
// HOST and PORT (default: all interfaces, 3000) choose where it listens.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "the application")
	})
	if err := addPresence(context.Background(), http.DefaultServeMux); err != nil {
		log.Fatal(err)
	}
	addr := net.JoinHostPort(os.Getenv("HOST"), cmp.Or(os.Getenv("PORT"), "3000"))
	log.Printf("listening on %s", addr)
	server := &http.Server{Addr: addr, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// addPresence is all that an application needs.
func addPresence(ctx context.Context, mux *http.ServeMux) error {
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		return err
	}
	// Without a URL the members live in this process. The prefix keeps the rooms
	// that clients choose apart from those of the application.
	o := presence.Options{IO: io, Redis: os.Getenv("REDIS_URL"), RoomPrefix: "presence/"}
	if _, err := presence.Init(ctx, o); err != nil {
		return err
	}
	mux.Handle("/socket.io/", io)
	mux.Handle("/socket.io", io) // else the mux would redirect, which no client follows
	return nil
}
