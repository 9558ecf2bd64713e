// Package tcpproxy passes TCP connections on, and hurts them as networks do: for
// tests of what happens then.
package tcpproxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy listens on a free port of 127.0.0.1 and passes connections on to wherever
// Config.Target says. It can cut them, delay what they carry, and swallow it: a
// swallowed byte is one that the network keeps until it heals, as a sender that
// repeats it would bring about. All methods may be called from any goroutine.
type Proxy struct {
	cfg      Config
	listener net.Listener
	delay    atomic.Int64 // nanoseconds, for each piece in each direction
	running  sync.WaitGroup

	mu    sync.Mutex
	links map[*link]struct{}
	hole  chan struct{} // not nil: new connections hang until it is closed
	ended bool
}

// Config is what a Proxy does with new connections.
type Config struct {
	// Target is asked once for each, for the host:port that it goes to; "" resets it.
	Target func() string
	// Client, if set, returns what stands in for the client's end: what the server
	// gets is read from it, and what the server sends is written to it.
	Client func(net.Conn) net.Conn
}

// Start runs a proxy until Close.
func Start(cfg Config) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg, listener: listener, links: make(map[*link]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is the proxy's host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close cuts everything and waits until the proxy's goroutines have ended.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.CutAll()
	p.running.Wait()
}

// CutAll resets every connection.
func (p *Proxy) CutAll() { p.CutSome(1, 1) }

// CutSome resets n of every m connections and returns how many that were.
func (p *Proxy) CutSome(n, m int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.some(n, m, func(l *link) bool {
		l.reset()
		return true
	})
}

// some calls f for n of every m connections, and counts those for which it is true.
// The lock is held.
func (p *Proxy) some(n, m int, f func(*link) bool) int {
	i, count := 0, 0
	for l := range p.links {
		if i%m < n && f(l) {
			count++
		}
		i++
	}
	return count
}

// Swallow lets n of every m open connections carry nothing any more; with n
// equal to m new ones neither. It returns how many connections that were.
func (p *Proxy) Swallow(n, m int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	hole := make(chan struct{})
	if n == m && p.hole == nil {
		p.hole = hole
	}
	return p.some(n, m, func(l *link) bool {
		if l.hole != nil {
			return false
		}
		l.hole = hole
		return true
	})
}

// Delay lets each piece in each direction wait for so long before it is passed on.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Heal ends every swallowing: what was held back goes its way.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	holes := make(map[chan struct{}]struct{})
	if p.hole != nil {
		holes[p.hole] = struct{}{}
		p.hole = nil
	}
	for l := range p.links {
		if l.hole != nil {
			holes[l.hole] = struct{}{}
			l.hole = nil
		}
	}
	for hole := range holes {
		close(hole)
	}
}

// link is one connection through the proxy.
type link struct {
	cut  chan struct{}
	hole chan struct{} // as the proxy's, for this link; guarded by the proxy's mu

	mu    sync.Mutex
	ends  []net.Conn // the client's, and the server's once there is one
	ended bool
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		l := &link{cut: make(chan struct{})}
		l.add(c)
		p.mu.Lock()
		l.hole = p.hole
		p.links[l] = struct{}{}
		ended := p.ended
		p.mu.Unlock()
		if ended {
			l.reset()
		}
		p.running.Go(func() { p.serve(l, c) })
	}
}

func (p *Proxy) serve(l *link, client net.Conn) {
	defer func() {
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	target := ""
	if p.pass(l) {
		target = p.cfg.Target()
	}
	server, err := net.DialTimeout("tcp", target, 5*time.Second)
	if target == "" || err != nil {
		l.reset()
		return
	}
	l.add(server)
	if p.cfg.Client != nil {
		client = p.cfg.Client(client)
	}
	var back sync.WaitGroup
	back.Go(func() {
		p.pump(l, client, server)
		l.close()
	})
	p.pump(l, server, client)
	l.close()
	back.Wait()
}

// pump carries one direction until an end of the connection closes or it is cut.
func (p *Proxy) pump(l *link, to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if d := time.Duration(p.delay.Load()); d > 0 && !l.sleep(d) {
			return
		}
		if !p.pass(l) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits while the link swallows; it reports false once the link is cut.
func (p *Proxy) pass(l *link) bool {
	for {
		p.mu.Lock()
		hole := l.hole
		p.mu.Unlock()
		if hole == nil {
			return true
		}
		select {
		case <-hole:
		case <-l.cut:
			return false
		}
	}
}

func (l *link) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-l.cut:
		return false
	}
}

// add gives the link an end, which does not outlive it.
func (l *link) add(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, c)
	if l.ended {
		_ = c.Close()
	}
}

// close closes both ends in the ordinary way.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		close(l.cut)
	}
	for _, c := range l.ends {
		_ = c.Close()
	}
}

// reset closes both ends as if the connection had broken.
func (l *link) reset() {
	l.mu.Lock()
	for _, c := range l.ends {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
	}
	l.mu.Unlock()
	l.close()
}
