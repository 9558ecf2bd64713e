//go:build unix

package chaos

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy passes TCP connections on to wherever target says. It can cut them,
// delay what they carry, and swallow it: a swallowed byte is one that the
// network keeps until it heals, as a sender that repeats it would bring about.
type proxy struct {
	listener net.Listener
	target   func() string // where a new connection goes; "" refuses it
	delay    atomic.Int64  // nanoseconds, for each piece in each direction
	running  sync.WaitGroup

	mu    sync.Mutex
	links map[*link]struct{}
	hole  chan struct{} // not nil: new connections hang until it is closed
	ended bool
}

// link is one connection through the proxy.
type link struct {
	cut  chan struct{}
	hole chan struct{} // as the proxy's, for this link; guarded by the proxy's mu

	mu    sync.Mutex
	ends  []net.Conn // the client's, and the server's once there is one
	ended bool
}

func newProxy(target func() string) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, target: target, links: make(map[*link]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// close cuts everything and waits until the proxy's goroutines have ended.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.cutAll()
	p.running.Wait()
}

// cutAll resets every connection.
func (p *proxy) cutAll() { p.cutSome(1, 1) }

// cutSome resets n of every m connections and returns how many that were.
func (p *proxy) cutSome(n, m int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, count := 0, 0
	for l := range p.links {
		if i%m < n {
			l.reset()
			count++
		}
		i++
	}
	return count
}

// swallow lets n of every m open connections carry nothing any more; with n
// equal to m new ones neither. It returns how many connections that were.
func (p *proxy) swallow(n, m int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	hole := make(chan struct{})
	if n == m && p.hole == nil {
		p.hole = hole
	}
	i, count := 0, 0
	for l := range p.links {
		if i%m < n && l.hole == nil {
			l.hole = hole
			count++
		}
		i++
	}
	return count
}

// heal ends every swallowing: what was held back goes its way.
func (p *proxy) heal() {
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

func (p *proxy) accept() {
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

func (p *proxy) serve(l *link, client net.Conn) {
	defer func() {
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	target := ""
	if p.pass(l) {
		target = p.target()
	}
	server, err := net.DialTimeout("tcp", target, 5*time.Second)
	if target == "" || err != nil {
		l.reset()
		return
	}
	l.add(server)
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
func (p *proxy) pump(l *link, to, from net.Conn) {
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
func (p *proxy) pass(l *link) bool {
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
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
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
