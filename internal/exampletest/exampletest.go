// Package exampletest holds what the tests of the example programs share.
package exampletest

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

// Start runs a program on an address of its own. stop lets it end; wait blocks until it
// has, and reports the error that run returned.
func Start(t *testing.T, run func(ctx context.Context, listener net.Listener) error) (url string, stop, wait func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, listener) }()
	return "http://" + listener.Addr().String(), cancel, func() {
		t.Helper()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

// Stops runs a program that serves presence, joins a room on it and stops it. The connection must
// end with a close frame, which makes clients reconnect, and run must return nil.
func Stops(t *testing.T, run func(ctx context.Context, listener net.Listener) error) {
	t.Helper()
	url, stop, wait := Start(t, run)
	c, err := client.Dial(t.Context(), url)
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
	wait()
}
