//go:build unix

package chaos

import (
	"context"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/internal/tcpproxy"
)

// Topologies are the ways in which Redis can be run.
var Topologies = []string{"single", "sentinel", "cluster"}

// backend is the Redis of a world. Single Redis is behind proxies, one for
// each node; the others tell clients their own addresses.
type backend struct {
	topology string
	single   *redistest.Server
	sentinel *redistest.Sentinel
	cluster  *redistest.Cluster
	doors    []*tcpproxy.Proxy // by slot; single only
}

func startBackend(ctx context.Context, topology string, nodes int) (b *backend, err error) {
	b = &backend{topology: topology}
	switch topology {
	case "single":
		if b.single, err = redistest.Launch(); err != nil {
			return nil, err
		}
		for range nodes {
			p, err := tcpproxy.Start(tcpproxy.Config{Target: func() string { return b.single.Addr }})
			if err != nil {
				b.close()
				return nil, err
			}
			b.doors = append(b.doors, p)
		}
	case "sentinel":
		b.sentinel, err = redistest.LaunchSentinel(ctx, 2, 3)
	case "cluster":
		b.cluster, err = redistest.LaunchCluster(ctx, 3, 1)
	default:
		err = fmt.Errorf("no topology %q; there are %q", topology, Topologies)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *backend) close() {
	for _, p := range b.doors {
		p.Close()
	}
	switch {
	case b.single != nil:
		b.single.Close()
	case b.sentinel != nil:
		b.sentinel.Close()
	case b.cluster != nil:
		b.cluster.Close()
	}
}

// url is the REDIS_URL of the node in a slot.
func (b *backend) url(slot int) string {
	switch {
	case b.sentinel != nil:
		return b.sentinel.URL()
	case b.cluster != nil:
		return b.cluster.URL()
	}
	return "redis://" + b.doors[slot].Addr()
}

// masters are the servers that hold the data.
func (b *backend) masters() ([]*redistest.Server, error) {
	switch {
	case b.sentinel != nil:
		m, err := b.sentinel.Master()
		return []*redistest.Server{m}, err
	case b.cluster != nil:
		return b.cluster.Masters()
	}
	return []*redistest.Server{b.single}, nil
}

// master is the server that holds a key.
func (b *backend) master(key string) (*redistest.Server, error) {
	if b.cluster != nil {
		return b.cluster.MasterOf(redistest.Slot(key))
	}
	list, err := b.masters()
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// roomKey is where a room is kept.
func roomKey(room string) string {
	return "prs:1:{room:" + strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D").Replace(room) + "}"
}

// connIDs lists the members of a room as Redis has them.
func (b *backend) connIDs(room string) (map[string]bool, error) {
	key := roomKey(room)
	server, err := b.master(key)
	if err != nil {
		return nil, err
	}
	fields, err := server.Do("HKEYS", key)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool)
	for _, f := range fields {
		if id, ok := strings.CutPrefix(f, "m:"); ok {
			ids[id] = true
		}
	}
	return ids, nil
}

// record is what Redis has of a member.
func (b *backend) record(room, connID string) string {
	server, err := b.master(roomKey(room))
	if err != nil {
		return err.Error()
	}
	text, err := server.Do("HGET", roomKey(room), "m:"+connID)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%q", text)
}

// left lists the keys that are there, but for the nodes' life signs, with
// what the hashes among them hold.
func (b *backend) left() ([]string, error) {
	masters, err := b.masters()
	if err != nil {
		return nil, err
	}
	var left []string
	for _, m := range masters {
		keys, err := m.Do("KEYS", "prs:*")
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if k == "prs:1:nodes" {
				continue
			}
			for _, read := range []string{"HGETALL", "SMEMBERS"} {
				if held, err := m.Do(read, k); err == nil {
					k += fmt.Sprintf(" %q", held)
					break
				}
			}
			left = append(left, k)
		}
	}
	return left, nil
}

// signs are the nodes' life signs.
func (b *backend) signs() ([]string, error) {
	const key = "prs:1:nodes"
	m, err := b.master(key)
	if err != nil {
		return nil, err
	}
	return m.Do("ZRANGE", key, "0", "-1", "WITHSCORES")
}
