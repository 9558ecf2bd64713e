package redistest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

var errNobody = errors.New("no running server says so")

// pollTime is how often it is looked whether something has happened yet.
const pollTime = 20 * time.Millisecond

// nodeTimeout is the cluster-node-timeout, in ms: a master that is gone for
// longer is replaced by a replica, which takes about as long again.
const nodeTimeout = "2000"

// Cluster is a Redis Cluster. Its methods that change something must not be
// called at the same time as methods of its servers that do.
type Cluster struct {
	// Servers are the masters, their slots spread evenly in this order, then
	// their first replicas in the same order, and so on. Failovers change the
	// roles, not the list.
	Servers []*Server
}

// LaunchCluster runs a Redis Cluster of masters, each with a number of
// replicas, and waits until all of it works. Every server is given args. No
// replica ever moves to another master. Close it.
func LaunchCluster(ctx context.Context, masters, replicas int, args ...string) (*Cluster, error) {
	c := &Cluster{}
	for range masters * (1 + replicas) {
		s, err := launch(func(port, dir string) ([]string, error) {
			bus, err := FreePort()
			return slices.Concat(plainArgs(port, dir), []string{
				"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", nodeTimeout,
				"--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no",
				"--repl-diskless-sync-delay", "0",
			}, args), err
		})
		if err != nil {
			c.Close()
			return nil, err
		}
		c.Servers = append(c.Servers, s)
	}
	if err := c.form(ctx, masters); err != nil {
		c.Close()
		return nil, fmt.Errorf("form a cluster: %w", err)
	}
	return c, nil
}

// form makes the servers a cluster.
func (c *Cluster) form(ctx context.Context, masters int) error {
	ids := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		var err error
		if ids[i], err = s.text("CLUSTER", "MYID"); err != nil {
			return err
		}
		if _, err := s.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		if err := s.meet(c.Servers[0]); err != nil {
			return err
		}
	}
	for i, s := range c.Servers {
		cmd := []string{"CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i * slots / masters), strconv.Itoa((i+1)*slots/masters - 1)}
		if i >= masters {
			cmd = []string{"CLUSTER", "REPLICATE", ids[i%masters]}
		}
		if err := poll(ctx, func() error { // it has to hear of its master first
			_, err := s.Do(cmd...)
			return err
		}); err != nil {
			return err
		}
	}
	return c.Await(ctx)
}

// meet introduces the server to another one.
func (s *Server) meet(other *Server) error {
	if s == other {
		return nil
	}
	host, port, _ := strings.Cut(other.Addr, ":")
	bus := other.args[slices.Index(other.args, "--cluster-port")+1]
	_, err := s.Do("CLUSTER", "MEET", host, port, bus)
	return err
}

// URL names all servers, for REDIS_URL.
func (c *Cluster) URL() string { return urlOf(c.Servers, "") }

// Close stops all servers for good and removes what they wrote. It may be
// called more than once.
func (c *Cluster) Close() { closeAll(c.Servers) }

// Masters are the running masters that hold slots, in the order of those.
func (c *Cluster) Masters() ([]*Server, error) {
	nodes, err := c.nodes()
	if err != nil {
		return nil, err
	}
	nodes = slices.DeleteFunc(nodes, func(n node) bool { return !n.master || len(n.slots) == 0 })
	slices.SortFunc(nodes, func(a, b node) int { return a.slots[0][0] - b.slots[0][0] })
	out := make([]*Server, len(nodes))
	for i, n := range nodes {
		out[i] = n.server
	}
	return out, nil
}

// MasterOf is the running master that holds a slot.
func (c *Cluster) MasterOf(slot int) (*Server, error) {
	nodes, err := c.nodes()
	if err != nil {
		return nil, err
	}
	best := node{epoch: -1}
	for _, n := range nodes {
		if n.master && n.holds(slot) && n.epoch > best.epoch { // one that was replaced may not know it yet
			best = n
		}
	}
	if best.server == nil {
		return nil, fmt.Errorf("master of slot %d: %w", slot, errNobody)
	}
	return best.server, nil
}

// ReplicasOf are the running replicas of a server.
func (c *Cluster) ReplicasOf(master *Server) ([]*Server, error) {
	id, err := master.text("CLUSTER", "MYID")
	if err != nil {
		return nil, err
	}
	nodes, err := c.nodes()
	if err != nil {
		return nil, err
	}
	var out []*Server
	for _, n := range nodes {
		if n.of == id {
			out = append(out, n.server)
		}
	}
	return out, nil
}

// Failover has a replica of a running master take its place, losing nothing,
// waits until both agree, and returns the replica.
func (c *Cluster) Failover(ctx context.Context, master *Server) (*Server, error) {
	replicas, err := c.ReplicasOf(master)
	if err != nil {
		return nil, err
	}
	if len(replicas) == 0 {
		return nil, fmt.Errorf("fail over %s: it has no replica", master.Addr)
	}
	next := replicas[0]
	if _, err := next.Do("CLUSTER", "FAILOVER"); err != nil {
		return nil, err
	}
	return next, poll(ctx, func() error {
		list, err := c.ReplicasOf(next)
		if err == nil && !slices.Contains(list, master) {
			err = fmt.Errorf("%s is no replica of %s", master.Addr, next.Addr)
		}
		return err
	})
}

// Await waits until the cluster works: all servers that are not stopped or
// paused know the same masters, every slot has one, and replicas are in step.
func (c *Cluster) Await(ctx context.Context) error {
	err := poll(ctx, func() error {
		first, up := "", c.up()
		for _, s := range up {
			view, err := s.view(up)
			if err != nil {
				return err
			}
			if first == "" {
				first = view
			}
			if view != first {
				return fmt.Errorf("%s sees\n%snot\n%s", s.Addr, view, first)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the cluster: %w", err)
	}
	return nil
}

// up are the servers that are to answer, by address.
func (c *Cluster) up() map[string]*Server {
	up := make(map[string]*Server)
	for _, s := range c.Servers {
		if s.answers() {
			up[s.Addr] = s
		}
	}
	return up
}

// nodes are the running servers as they see themselves.
func (c *Cluster) nodes() ([]node, error) {
	var out []node
	for _, s := range c.up() {
		list, err := s.nodes()
		if err != nil {
			return nil, err
		}
		for _, n := range list {
			if n.myself {
				n.server = s
				out = append(out, n)
			}
		}
	}
	return out, nil
}

func urlOf(servers []*Server, more string) string {
	var b strings.Builder
	for i, s := range servers {
		b.WriteString([]string{"redis://", "?addr=", "&addr="}[min(i, 2)] + s.Addr)
	}
	b.WriteString(more)
	return b.String()
}

func closeAll(servers []*Server) {
	for _, s := range servers {
		s.Close()
	}
}

// poll runs f until it succeeds; its last error is in the one returned.
func poll(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pollTime):
		}
	}
}
