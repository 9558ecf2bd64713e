package main

import (
	"context"
	"errors"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A signal closes connections in a way that makes clients reconnect, and ends
// the program without an error.
func TestStops(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, listener) }()
	c, err := client.Dial(t.Context(), "http://"+listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Write([]byte(`421["presence:join",{"roomId":"r","userId":"u"}]`)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Await(client.Ack); err != nil {
		t.Fatal(err)
	}
	stop()
	for err == nil {
		_, err = c.Next()
	}
	if !errors.Is(err, client.ErrClosed) {
		t.Errorf("the connection ended with %v, want a close frame", err)
	}
	c.Close() // else the server waits for the answer to its close frame
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}
