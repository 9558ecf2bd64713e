package topology

import (
	"strings"
	"testing"

	"github.com/redis/rueidis"
)

// knownNodes is a client that knows some servers.
type knownNodes struct {
	rueidis.Client
	list map[string]rueidis.Client
}

func (c *knownNodes) Nodes() map[string]rueidis.Client { return c.list }

// A server that the client library knows by its port alone is at the host of the
// URL. Else its report of the layout has no hosts, every master seems to have moved,
// and each room is told that writes may be lost.
func TestServersKnownByTheirPort(t *testing.T) {
	named, other := &knownNodes{}, &knownNodes{}
	s := &Scout{whole: func(addr string) string {
		if strings.HasPrefix(addr, ":") {
			return "redis.example" + addr
		}
		return addr
	}}
	for name, c := range map[string]struct{ known, want map[string]rueidis.Client }{
		"alone": {
			map[string]rueidis.Client{":7001": named, "redis.example:7002": other},
			map[string]rueidis.Client{"redis.example:7001": named, "redis.example:7002": other},
		},
		"beside the whole address": {
			map[string]rueidis.Client{":7001": other, "redis.example:7001": named},
			map[string]rueidis.Client{"redis.example:7001": named},
		},
		"IPv6": {
			map[string]rueidis.Client{"[::1]:7001": named},
			map[string]rueidis.Client{"[::1]:7001": named},
		},
	} {
		s.client = &knownNodes{list: c.known}
		got := s.Nodes()
		if len(got) != len(c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		for addr, node := range c.want {
			if got[addr] != node {
				t.Errorf("%s: %s is %p, want %p", name, addr, got[addr], node)
			}
		}
	}
}
