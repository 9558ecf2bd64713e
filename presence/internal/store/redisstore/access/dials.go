package access

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/redis/rueidis"
)

// dials opens the connections that the client library uses. It closes those to an address
// behind which the wrong server was found: the client library then dials the address again
// and reaches the server that is there now.
type dials struct {
	network   string      // tcp or unix
	host      string      // in the URL
	dialer    *net.Dialer // of the connections that the client library does not open
	sentinels *tls.Config // by it the client library tells that it dials a Sentinel
	data      *tls.Config // to the servers with the members; nil: without TLS
	watch     *tls.Config // to Sentinels; nil: without TLS

	mu   sync.Mutex
	open map[*dialed]struct{} // to servers with members; not to Sentinels
}

// newDials has a client with these options dial through it.
func newDials(o *Options, l *Location, opt *rueidis.ClientOption) (*dials, error) {
	d := &dials{network: "tcp", open: make(map[*dialed]struct{})}
	var err error
	if d.data, d.watch, err = o.tlsConfigs(l); err != nil {
		return nil, err
	}
	if l.unix {
		d.network = "unix"
	} else if d.host, _, err = net.SplitHostPort(l.addrs[0]); err != nil {
		return nil, err
	}
	d.sentinels = &tls.Config{MinVersion: tls.VersionTLS12}
	opt.TLSConfig, opt.Sentinel.TLSConfig = d.data, d.sentinels
	opt.DialCtxFn = d.dial
	d.dialer = &opt.Dialer
	return d, nil
}

// dialed is an open connection.
type dialed struct {
	net.Conn
	dials *dials
	addr  string
}

// UnwrapConn says to rawio.Of that reading and writing are those of the connection within.
func (c *dialed) UnwrapConn() net.Conn { return c.Conn }

// Close implements net.Conn.
func (c *dialed) Close() error {
	c.dials.mu.Lock()
	delete(c.dials.open, c)
	c.dials.mu.Unlock()
	return c.Conn.Close()
}

// whole returns an address with its host. A server of a cluster that has no host of its own is
// at the host of the URL.
func (d *dials) whole(addr string) string {
	if host, port, err := net.SplitHostPort(addr); err == nil && host == "" {
		return net.JoinHostPort(d.host, port)
	}
	return addr
}

// connect opens a connection to a server with members.
func (d *dials) connect(ctx context.Context, addr string) (net.Conn, error) {
	return d.dial(ctx, addr, d.dialer, d.data)
}

// dial implements rueidis.ClientOption.DialCtxFn.
func (d *dials) dial(ctx context.Context, addr string, dialer *net.Dialer, kind *tls.Config) (net.Conn, error) {
	addr = d.whole(addr)
	ctx, cancel := context.WithTimeout(ctx, dialer.Timeout) // the TLS handshake included
	defer cancel()
	conn, err := dialer.DialContext(ctx, d.network, addr)
	if err != nil {
		return nil, err
	}
	if kind == d.sentinels {
		return d.secure(ctx, conn, addr, d.watch)
	}
	c := &dialed{Conn: conn, dials: d, addr: addr}
	d.mu.Lock()
	d.open[c] = struct{}{}
	d.mu.Unlock()
	return d.secure(ctx, c, addr, d.data)
}

// secure does the TLS handshake on a connection, unless there is no TLS.
func (d *dials) secure(ctx context.Context, conn net.Conn, addr string, c *tls.Config) (net.Conn, error) {
	if c == nil {
		return conn, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s := tls.Client(conn, ForHost(c, host, d.host))
	if err := s.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", addr, err) // a server without TLS answers nothing
	}
	return s, nil
}

// cut closes the connections to an address, subscriptions included; an empty address means
// all. It returns how many it closed.
func (d *dials) cut(addr string) int {
	d.mu.Lock()
	var list []*dialed
	for c := range d.open {
		if addr == "" || c.addr == addr {
			list = append(list, c)
		}
	}
	d.mu.Unlock()
	for _, c := range list {
		_ = c.Close()
	}
	return len(list)
}
