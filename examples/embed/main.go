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
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/redis"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), cmp.Or(os.Getenv("PORT"), "3000")))
	if err == nil {
		log.Printf("listening on %s", listener.Addr())
		err = run(ctx, listener)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run is the application: it serves until ctx ends.
func run(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "the application")
	})
	stopPresence, err := addPresence(ctx, mux)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return errors.Join(err, stopPresence(closing), server.Shutdown(closing))
}

// addPresence is all that an application needs. What it returns lets the clients
// go; call it before the HTTP server shuts down.
func addPresence(ctx context.Context, mux *http.ServeMux) (stop func(context.Context) error, err error) {
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		return nil, err
	}
	// The prefix keeps the rooms that clients choose apart from those of the application.
	options := presence.Options{IO: io, RoomPrefix: "presence/"}
	if url := os.Getenv("REDIS_URL"); url != "" { // without a Redis the members live in this process
		if options.Store, err = redis.New(redis.Options{URL: url}); err != nil {
			return nil, err
		}
	}
	rt, err := presence.Init(ctx, options)
	if err != nil {
		return nil, err
	}
	mux.Handle("/socket.io/", io)
	mux.Handle("/socket.io", io) // without it the mux would redirect, which no client follows
	return func(ctx context.Context) error {
		io.Refuse()
		return errors.Join(rt.Close(ctx), io.Close(ctx))
	}, nil
}
