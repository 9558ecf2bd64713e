package redisstore

import (
	"cmp"
	"log/slog"
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

// guard handles answers that say that a server or a connection is of no use. It logs what
// to do about it, and closes connections that should be dialled again. A server may become
// a replica while the address already leads to another one: without closing, the old
// connections would be used forever.
type guard struct {
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

func newGuard(d *dials, first string, log *slog.Logger) *guard {
	return &guard{dials: d, first: first, log: log, cuts: make(map[string]*cutting)}
}

// inspect looks for trouble among the answers of the server at an address.
func (g *guard) inspect(addr string, answers []rueidis.RedisResult) {
	var last *trouble
	for i := range answers {
		err := answers[i].Error()
		if err == nil || err == rueidis.Nil {
			continue
		}
		if t := troubleIn(err); t != nil && t != last {
			g.act(addr, t, err)
			last = t
		}
	}
}

// inspectOne looks for trouble in an error that is or wraps an answer of the server at an address.
func (g *guard) inspectOne(addr string, err error) {
	if t := troubleIn(err); t != nil {
		g.act(addr, t, err)
	}
}

// act deals with a trouble of the server at an address, and reports whether it
// cut the connections there.
func (g *guard) act(addr string, t *trouble, err error) bool {
	if t.says != "" {
		answer, _, _ := strings.Cut(err.Error(), " script: ") // which one does not matter, and would be another line
		g.log.Warn(t.says, "server", g.name(addr), "error", answer)
	}
	if !t.redial || !g.due(addr, time.Now()) {
		return false
	}
	g.dials.cut(addr)
	return true
}

// name is how the log names the server at an address. The only server that there
// is has none: it is named by where it was found.
func (g *guard) name(addr string) string { return cmp.Or(addr, g.first) }

// due reports whether connections to an address are to be cut now.
func (g *guard) due(addr string, now time.Time) bool {
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
