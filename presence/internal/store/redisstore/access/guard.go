package access

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	// minCutGap and maxCutGap bound how often the connections to an address are
	// cut while it goes on to be the wrong server. Waits double in between.
	minCutGap = time.Second
	maxCutGap = 8 * time.Second
	// calmTime without trouble is after which waits are short again.
	calmTime = 30 * time.Second
)

// Guard handles answers that say that a server or a connection is of no use. It logs what
// to do about it, and closes connections that should be dialled again. A server may become
// a replica while the address already leads to another one: without closing, the old
// connections would be used forever.
type Guard struct {
	dials *dials
	first string       // the addresses of the URL
	log   *slog.Logger // throttled

	mu   sync.Mutex
	cuts map[string]*cutting // by address
}

// cutting is how the connections to an address were cut lately.
type cutting struct {
	last time.Time
	gap  time.Duration // to the next cut
}

// NewGuard returns the guard of a client with these options, which dials through it from then on. Errors
// are those of the files and settings of TLS.
func NewGuard(o *Options, l *Location, opt *rueidis.ClientOption, log *slog.Logger) (*Guard, error) {
	d, err := newDials(o, l, opt)
	if err != nil {
		return nil, err
	}
	return newGuard(d, strings.Join(opt.InitAddress, ", "), log), nil
}

func newGuard(d *dials, first string, log *slog.Logger) *Guard {
	return &Guard{dials: d, first: first, log: log, cuts: make(map[string]*cutting)}
}

// Inspect looks for trouble among the answers of the server at an address.
func (g *Guard) Inspect(addr string, answers []rueidis.RedisResult) {
	var last *Trouble
	for i := range answers {
		err := answers[i].Error()
		if err == nil || err == rueidis.Nil {
			continue
		}
		if t := TroubleIn(err); t != nil && t != last {
			g.act(addr, t, err)
			last = t
		}
	}
}

// InspectOne looks for trouble in an error that is or wraps an answer of the server at an address.
func (g *Guard) InspectOne(addr string, err error) {
	if t := TroubleIn(err); t != nil {
		g.act(addr, t, err)
	}
}

// Replica deals with a server that says that it is a replica where a master should be.
func (g *Guard) Replica(addr string) { g.act(addr, replicaTrouble, ErrReplica) }

// Stray deals with a new connection to the only address there is that leads to another server than
// those that are open. It reports whether it cut them all: not if it did so a moment ago.
func (g *Guard) Stray(err error) bool { return g.act("", strayTrouble, err) }

// act deals with a trouble of the server at an address, and reports whether it
// cut the connections there.
func (g *Guard) act(addr string, t *Trouble, err error) bool {
	if t.Says != "" {
		answer, _, _ := strings.Cut(err.Error(), " script: ") // which one does not matter, and would be another line
		g.log.Warn(t.Says, "server", g.Name(addr), "error", answer)
	}
	if !t.redial || !g.due(addr, time.Now()) {
		return false
	}
	g.dials.cut(addr)
	return true
}

// Connect opens a connection to a server with members. Errors are those of dialling.
func (g *Guard) Connect(ctx context.Context, addr string) (net.Conn, error) {
	return g.dials.connect(ctx, addr)
}

// Whole returns an address with its host. A server of a cluster that has no host of its own is at the
// host of the URL.
func (g *Guard) Whole(addr string) string { return g.dials.whole(addr) }

// Name is how the log names the server at an address. The only server that there
// is has none: it is named by the addresses of the URL.
func (g *Guard) Name(addr string) string { return cmp.Or(addr, g.first) }

// due reports whether connections to an address are to be cut now.
func (g *Guard) due(addr string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.cuts[addr]
	if c == nil {
		c = &cutting{}
		g.cuts[addr] = c
	}
	since := now.Sub(c.last)
	switch {
	case since >= calmTime:
		c.gap = minCutGap
	case since < c.gap:
		return false
	default:
		c.gap = min(2*c.gap, maxCutGap)
	}
	c.last = now
	return true
}
