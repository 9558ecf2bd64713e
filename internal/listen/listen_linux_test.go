package listen

import (
	"context"
	"net"
	"syscall"
	"testing"
)

// options reads options of a connection.
func options(t *testing.T, conn net.Conn) (got [5]int) {
	t.Helper()
	const notSentLowat = 25 // TCP_NOTSENT_LOWAT
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for i, option := range [5][2]int{
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
			{syscall.IPPROTO_TCP, notSentLowat},
		} {
			if got[i], err = syscall.GetsockoptInt(int(fd), option[0], option[1]); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// accepted is a connection that a listener accepted.
func accepted(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// A connection has the options of its listener, and those that Go would set for each.
func TestOptionsAreHandedOn(t *testing.T) {
	l, err := Open(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	usual, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	want := options(t, accepted(t, usual))
	want[4] = 256 << 10
	if got := options(t, accepted(t, l)); got != want {
		t.Errorf("options %v, want %v", got, want)
	}
	if unsentBounded := Context(context.Background()) != context.Background(); !unsentBounded {
		t.Error("the context does not say so")
	}
}
