package redistest

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/tcpproxy"
)

// Proxy is one address in front of servers that take turns behind it, such as
// that of a managed Redis. Connections stay with the server that they were
// opened to.
type Proxy struct {
	// Addr is host:port, the same until the test ends.
	Addr string

	mu      sync.Mutex
	target  string
	dialed  int
	clients []*client // of all connections, those that ended too
}

// StartProxy runs a proxy that passes new connections on to a server, until the
// test ends.
func StartProxy(tb testing.TB, target *Server) *Proxy {
	tb.Helper()
	p := &Proxy{target: target.Addr}
	passing, err := tcpproxy.Start(tcpproxy.Config{Target: p.server, Client: p.client})
	check(tb, err)
	tb.Cleanup(passing.Close)
	p.Addr = passing.Addr()
	return p
}

// URL is the address as a redis:// URL.
func (p *Proxy) URL() string { return "redis://" + p.Addr }

// Switch has new connections go to another server. Those that are open stay
// with theirs.
func (p *Proxy) Switch(target *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target.Addr
}

// server is where a new connection goes.
func (p *Proxy) server() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialed++
	return p.target
}

// Spoil has every command on a connection that is open now answered with an
// error, whatever it is, such as "LOADING Redis is loading". New connections
// are not touched.
func (p *Proxy) Spoil(answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.mu.Lock()
		c.answer = answer
		c.mu.Unlock()
	}
}

// Dialed is the number of connections that were ever opened.
func (p *Proxy) Dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialed
}

func (p *Proxy) client(conn net.Conn) net.Conn {
	c := &client{Conn: conn, in: bufio.NewReader(conn)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients = append(p.clients, c)
	return c
}

// client is a client's end of a connection. Reading from it gives whole commands,
// but for those that it answers itself.
type client struct {
	net.Conn
	in   *bufio.Reader
	rest []byte // of a command, not read yet

	mu     sync.Mutex
	answer string // to every command, once it is set
}

func (c *client) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		cmd, err := readCommand(c.in)
		if err != nil {
			return 0, err
		}
		c.mu.Lock()
		answer := c.answer
		c.mu.Unlock()
		if answer == "" {
			c.rest = cmd
		} else if _, err := c.Write([]byte("-" + answer + "\r\n")); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// readCommand reads the bytes of one command, an array of bulk strings.
func readCommand(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	cmd := []byte(line)
	n, err := strconv.Atoi(strings.TrimRight(strings.TrimPrefix(line, "*"), "\r\n"))
	if err != nil {
		return nil, err
	}
	for range n {
		if line, err = in.ReadString('\n'); err != nil {
			return nil, err
		}
		size, err := strconv.Atoi(strings.TrimRight(strings.TrimPrefix(line, "$"), "\r\n"))
		if err != nil {
			return nil, err
		}
		body := make([]byte, size+2)
		if _, err := io.ReadFull(in, body); err != nil {
			return nil, err
		}
		cmd = append(append(cmd, line...), body...)
	}
	return cmd, nil
}
