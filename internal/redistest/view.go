package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// node is a line of CLUSTER NODES.
type node struct {
	server             *Server // only where the server sees itself
	id, addr, of       string  // of is the master's id
	epoch              int64
	slots              [][2]int
	myself, master, ok bool
}

func (n *node) holds(slot int) bool {
	return slices.ContainsFunc(n.slots, func(r [2]int) bool { return r[0] <= slot && slot <= r[1] })
}

// nodes is how a server sees the cluster.
func (s *Server) nodes() ([]node, error) {
	text, err := s.text("CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	var out []node
	for line := range strings.Lines(text) {
		n, err := parseNode(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("CLUSTER NODES of %s: %q: %w", s.Addr, line, err)
		}
		out = append(out, n)
	}
	return out, nil
}

// parseNode reads id, address, flags, master, ping, pong, epoch, link, slots.
func parseNode(f []string) (n node, err error) {
	if len(f) < 8 {
		return n, strconv.ErrSyntax
	}
	flags := strings.Split(f[2], ",")
	n = node{id: f[0], myself: slices.Contains(flags, "myself"), master: slices.Contains(flags, "master")}
	n.ok = !slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, "fail") || f == "handshake" })
	n.addr, _, _ = strings.Cut(f[1], "@")
	if f[3] != "-" {
		n.of = f[3]
	}
	if n.epoch, err = strconv.ParseInt(f[6], 10, 64); err != nil {
		return n, err
	}
	for _, r := range f[8:] {
		if strings.HasPrefix(r, "[") { // a slot on the move
			continue
		}
		from, to, isRange := strings.Cut(r, "-")
		if !isRange {
			to = from
		}
		a, err := strconv.Atoi(from)
		if err != nil {
			return n, err
		}
		b, err := strconv.Atoi(to)
		if err != nil {
			return n, err
		}
		n.slots = append(n.slots, [2]int{a, b})
	}
	return n, nil
}

// view describes the cluster as a server sees it: which master has which
// slots and replicas. It is an error if something does not work.
func (s *Server) view(up map[string]*Server) (string, error) {
	if err := s.inStep(); err != nil {
		return "", err
	}
	list, err := s.nodes()
	if err != nil {
		return "", err
	}
	var lines []string
	covered := 0
	for _, n := range list {
		if !n.ok {
			continue
		}
		if n.master && up[n.addr] != nil {
			for _, r := range n.slots {
				covered += r[1] - r[0] + 1
			}
		}
		lines = append(lines, fmt.Sprintln(n.id, n.of, n.slots))
	}
	if covered != slots {
		return "", fmt.Errorf("%s knows running masters of %d slots", s.Addr, covered)
	}
	slices.Sort(lines)
	return strings.Join(lines, ""), nil
}

// inStep says what is wrong with a server of a cluster itself.
func (s *Server) inStep() error {
	info, err := s.text("CLUSTER", "INFO")
	if err != nil {
		return err
	}
	if !strings.Contains(info, "cluster_state:ok") {
		return fmt.Errorf("%s: the cluster does not work", s.Addr)
	}
	return s.linked()
}

// linked says whether a replica has what its master has; a master always has.
func (s *Server) linked() error {
	info, err := s.text("INFO", "replication")
	if err != nil {
		return err
	}
	if strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
		return fmt.Errorf("%s has no link to its master", s.Addr)
	}
	return nil
}
