package redistest

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

const slots = 16384

// StartCluster runs a Redis Cluster of n masters without replicas, the slots
// spread evenly in the order of the servers returned.
func StartCluster(tb testing.TB, n int) []*Server {
	tb.Helper()
	servers := make([]*Server, n)
	for i := range servers {
		servers[i] = Start(tb, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
	}
	for i, s := range servers {
		mustAsk(tb, s, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		mustAsk(tb, s, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/n), strconv.Itoa((i+1)*slots/n-1))
		if i > 0 {
			host, port, err := net.SplitHostPort(servers[0].Addr)
			if err != nil {
				tb.Fatal(err)
			}
			mustAsk(tb, s, "CLUSTER", "MEET", host, port)
		}
	}
	end := time.Now().Add(ready)
	for _, s := range servers {
		for !whole(s, n) {
			if time.Now().After(end) {
				tb.Fatalf("cluster node %s is not ready", s.Addr)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return servers
}

// MoveSlot hands a slot without keys from one master to another.
func MoveSlot(tb testing.TB, slot int, from, to *Server) {
	tb.Helper()
	id := mustAsk(tb, to, "CLUSTER", "MYID")
	for _, s := range []*Server{to, from} {
		mustAsk(tb, s, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "NODE", id)
	}
}

// whole says whether a node sees all n masters and all slots.
func whole(s *Server, n int) bool {
	info, err := s.ask("CLUSTER", "INFO")
	return err == nil && strings.Contains(info, "cluster_state:ok") &&
		strings.Contains(info, fmt.Sprintf("cluster_size:%d", n))
}

func mustAsk(tb testing.TB, s *Server, args ...string) string {
	tb.Helper()
	answer, err := s.ask(args...)
	if err != nil {
		tb.Fatalf("redis-server %s: %v", s.Addr, err)
	}
	return answer
}
