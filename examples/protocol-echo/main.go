// Command protocol-echo serves what the published test suites of Engine.IO and
// Socket.IO expect of a server under test: Socket.IO at /socket.io/, and bare
// Engine.IO that echoes messages at /engine.io/.
//
// It listens on PORT (default 3000; 0 takes a free one) of HOST (default all
// interfaces).
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// The times and limits that the suites are written for.
var engineConfig = engineio.Config{
	PingInterval: 300 * time.Millisecond,
	PingTimeout:  200 * time.Millisecond,
	MaxPayload:   1_000_000,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), cmp.Or(os.Getenv("PORT"), "3000")))
	if err == nil {
		fmt.Printf("listening on http://%s\n", shown(listener.Addr()))
		err = run(ctx, listener)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "protocol-echo:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listener net.Listener) error {
	io, err := newSocketIO()
	if err != nil {
		return err
	}
	engine, err := engineio.NewServer(engineConfig, func(s *engineio.Session) engineio.Handler { return echo{s} })
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for _, slash := range []string{"", "/"} {
		mux.Handle("/socket.io"+slash, io)
		mux.Handle("/engine.io"+slash, engine)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	io.Refuse()
	engine.Refuse()
	closing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, io.Close(closing), engine.Close(closing), server.Shutdown(closing))
}

// shown is an address that a person can open.
func shown(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return addr.String()
}

func newSocketIO() (*socketio.Server, error) {
	io, err := socketio.NewServer(socketio.Config{Engine: engineConfig, ConnectTimeout: time.Second})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"/", "/custom"} {
		n := io.Of(name)
		n.OnConnect(func(_ context.Context, s *socketio.Socket) {
			_ = s.Emit("auth", s.Handshake().Auth) // fails only when the client has left
		})
		n.On("message", messageBack)
		n.On("message-with-ack", acknowledge)
	}
	return io, nil
}

// messageBack returns what came, under another name.
func messageBack(_ context.Context, s *socketio.Socket, m *socketio.Message) error {
	p, err := socketio.NewBinaryEvent(s.Namespace().Name(), "message-back", m.Binary(), m.Args()...)
	if err != nil {
		return err
	}
	return s.Send(p)
}

func acknowledge(_ context.Context, _ *socketio.Socket, m *socketio.Message) error {
	return m.Ack().SendBinary(m.Binary(), m.Args()...)
}

// echo is the handler of one Engine.IO session.
type echo struct{ session *engineio.Session }

func (e echo) HandleMessage(data []byte, binary bool) {
	_ = e.session.Send(engineio.NewFrame(data, binary)) // fails only when the session ends
}

func (e echo) HandleClose(engineio.Reason) {}
