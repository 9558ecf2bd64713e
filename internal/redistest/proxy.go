package redistest

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Proxy is one address in front of servers that take turns behind it, such as
// that of a managed Redis. Connections stay with the server that they were
// opened to.
type Proxy struct {
	// Addr is host:port, the same until the test ends.
	Addr string

	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	target string
	links  map[*link]struct{}
	dialed int
	closed bool
}

// link is a connection through the proxy.
type link struct {
	client, server net.Conn
	mu             sync.Mutex
	answer         string // instead of the server's to every command, once it is set
}

// StartProxy runs a proxy that passes new connections on to a server, until the
// test ends.
func StartProxy(tb testing.TB, target *Server) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(tb, err)
	p := &Proxy{Addr: l.Addr().String(), listener: l, target: target.Addr, links: make(map[*link]struct{})}
	p.running.Go(p.accept)
	tb.Cleanup(p.close)
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

// Spoil has every command on a connection that is open now answered with an
// error, whatever it is, such as "LOADING Redis is loading". New connections
// are not touched.
func (p *Proxy) Spoil(answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.mu.Lock()
		l.answer = answer
		l.mu.Unlock()
	}
}

// Dialed is the number of connections that were ever opened.
func (p *Proxy) Dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialed
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	p.mu.Lock()
	target := p.target
	p.dialed++
	p.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	l := &link{client: client, server: server}
	p.mu.Lock()
	ended := p.closed
	p.links[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	if ended {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	l.forward()
	_ = server.Close()
	back.Wait()
}

// forward passes commands on, one by one.
func (l *link) forward() {
	in := bufio.NewReader(l.client)
	for {
		cmd, err := readCommand(in)
		if err != nil {
			return
		}
		l.mu.Lock()
		answer := l.answer
		l.mu.Unlock()
		to := l.server
		if answer != "" {
			cmd, to = []byte("-"+answer+"\r\n"), l.client
		}
		if _, err := to.Write(cmd); err != nil {
			return
		}
	}
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

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		_ = l.client.Close()
		_ = l.server.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}
