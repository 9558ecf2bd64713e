// Package listen opens TCP listeners that hand their options on to the connections that they accept, so
// that a connection costs no system calls for that.
package listen

import (
	"context"
	"net"
	"syscall"

	"github.com/realtime-ai/realtime-message-go/internal/unsent"
)

// Open opens a listener. Its connections have the keep-alive that Go gives them by default, and what the
// kernel takes for them is bounded (see package unsent), where the system hands that on.
func Open(ctx context.Context, addr string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		unsent.Limit(conn)
		return keepAlive(conn)
	}}
	configure(&config)
	return config.Listen(ctx, "tcp", addr)
}

// Context returns the context for the requests of a server that serves such listeners only.
func Context(ctx context.Context) context.Context {
	if !handsOn {
		return ctx
	}
	return unsent.Bounded(ctx)
}
