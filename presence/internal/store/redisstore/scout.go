package redisstore

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

const (
	// askTime is how long servers may take to say how the cluster is laid out.
	askTime = time.Second
	// witnesses is how many servers of a cluster are asked for its layout. The majority is
	// believed, so that a server that was cut off, and still thinks that it is a master,
	// misleads no node.
	witnesses = 5
)

// scout finds out which master holds which slot (the layout), and which process each master is.
// A node is a server of Redis here, as the client library calls it.
type scout struct {
	client  rueidis.Client
	pipe    *pipeline
	guard   *guard
	cluster bool
	clock   uint16 // the slot whose master's clock is the store's
	wg      sync.WaitGroup

	mu       sync.Mutex
	asking   map[string]bool      // addresses that owe an answer; they are not asked again
	replicas map[string]time.Time // since when a master of the layout says that it is a replica
}

// report is what one server said. Layout is empty when it was not asked for it.
type report struct {
	addr string
	statement
	layout *layout
	err    error
}

// statement is what a server says of itself; run is empty if it does not answer.
type statement struct {
	run        string
	replica    bool
	major      int // of its version; 0: not understood
	clockMs    int64
	asked, got time.Time // when its clock showed that, by this process's
}

// master is what is known of a master with that and what was known of it before.
func (st *statement) master(addr string, before *layout) master {
	m := master{addr: addr, run: st.run, major: st.major}
	if before != nil {
		for _, o := range before.masters {
			if o.addr == addr && o.run == st.run {
				m.ahead = o.ahead
			}
		}
	}
	m.ahead = m.ahead.learn(st.asked, st.got, st.clockMs)
	return m
}

// roleTime is how long a master of a cluster may say that it is a replica
// before its connections are cut: the layout learns of a failover sooner.
const roleTime = 3 * time.Second

// look asks for the layout. The answer is complete only together with the layout before. It
// fails if no server answers, or if the answers cannot be read.
func (s *scout) look(ctx context.Context, before *layout) (*layout, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	next, err := s.ask(ctx, before)
	if err != nil {
		return nil, err
	}
	next.inherit(before)
	next.setClocks(s.clock)
	return next, nil
}

func newScout(c rueidis.Client, p *pipeline, g *guard, clock uint16) *scout {
	return &scout{
		client: c, pipe: p, guard: g, cluster: c.Mode() == rueidis.ClientModeCluster, clock: clock,
		asking: make(map[string]bool), replicas: make(map[string]time.Time),
	}
}

func (s *scout) ask(ctx context.Context, before *layout) (*layout, error) {
	if !s.cluster {
		return s.askOne(ctx)
	}
	reports, err := s.survey(ctx, before)
	if next := agreed(reports, before); next != nil {
		s.checkRoles(next, reports)
		return next, nil
	}
	return nil, err
}

// askOne asks the only master there is for its run and its role.
func (s *scout) askOne(ctx context.Context) (*layout, error) {
	res, err := s.pipe.doMany(ctx, questions(s.client.B()))
	if err != nil {
		return nil, err
	}
	st, err := readStatement(res)
	if err != nil {
		return nil, s.pipe.wrap(err)
	}
	if st.replica {
		s.guard.act("", replicaTrouble, errReplica)
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, errReplica)
	}
	return &layout{masters: []master{{run: st.run}}}, nil
}

// checkRoles cuts the connections to masters of a cluster that have long said
// that they are replicas: their addresses may lead to other servers by now.
func (s *scout) checkRoles(l *layout, reports []report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range reports {
		master := slices.ContainsFunc(l.masters, func(m master) bool { return m.addr == r.addr })
		since, known := s.replicas[r.addr]
		switch {
		case r.run == "": // it gave no answer
		case !r.replica || !master:
			delete(s.replicas, r.addr)
		case !known:
			s.replicas[r.addr] = time.Now()
		case time.Since(since) >= roleTime:
			s.guard.act(r.addr, replicaTrouble, errReplica)
		}
	}
}

// questions are the commands for readStatement. Redis 6 takes one section at a time.
func questions(b rueidis.Builder) []rueidis.Completed {
	return []rueidis.Completed{b.Info().Section("server").Build(), b.Info().Section("replication").Build(), b.Time().Build()}
}

// readStatement reads the answers to questions.
func readStatement(answers []rueidis.RedisResult) (st statement, err error) {
	server, err := answers[0].ToString()
	if err != nil {
		return st, err
	}
	replication, err := answers[1].ToString()
	if err != nil {
		return st, err
	}
	clock, err := timeMs(answers[2].AsIntSlice())
	if err != nil {
		return st, err
	}
	major, _ := majorVersion(server) // if that is odd, it was said at the start
	return statement{
		run: infoField(server, "run_id"), replica: infoField(replication, "role") == "slave", major: major, clockMs: clock,
	}, nil
}

// agreed is the layout that most servers report, with what each master says of itself; nil
// if no server reports one.
func agreed(reports []report, before *layout) *layout {
	var best *layout
	most := 0
	for _, r := range reports {
		votes := 0
		for _, o := range reports {
			if r.layout != nil && o.layout != nil && r.layout.same(o.layout) {
				votes++
			}
		}
		if votes > most {
			best, most = r.layout, votes
		}
	}
	if best == nil {
		return nil
	}
	for _, r := range reports {
		if r.run != "" {
			best.up = append(best.up, r.addr)
		}
		for i := range best.masters {
			if m := &best.masters[i]; m.addr == r.addr && r.run != "" {
				*m = r.master(r.addr, before)
			}
		}
	}
	return best
}

// survey asks the masters for their run id, and some servers for the layout. The error says
// why a server gave no layout.
func (s *scout) survey(ctx context.Context, before *layout) (reports []report, err error) {
	nodes := s.nodes()
	asked := slices.Collect(maps.Keys(nodes))
	rand.Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
	said := make(chan report, len(asked))
	awaited, witness := 0, 0
	for _, addr := range asked {
		run := before != nil && slices.ContainsFunc(before.masters, func(m master) bool { return m.addr == addr })
		if !run && witness == witnesses || !s.begin(addr) {
			continue
		}
		slots := witness < witnesses
		if slots {
			witness++
		}
		awaited++
		s.wg.Go(func() {
			defer s.end(addr)
			said <- interview(ctx, nodes[addr], addr, slots)
		})
	}
	err = errNoNode
	for range awaited {
		select {
		case r := <-said:
			if r.err != nil {
				err = fmt.Errorf("ask %s: %w", r.addr, r.err)
			}
			reports = append(reports, r)
		case <-ctx.Done(): // late answers are not waited for
			return reports, fmt.Errorf("ask the cluster: %w", ctx.Err())
		}
	}
	return reports, err
}

// nodes returns the servers that the client library knows, by address. After a MOVED to a server
// without a host of its own the library knows one by its port alone: it is at the host that
// connections to it are made to, and no other server than before.
func (s *scout) nodes() map[string]rueidis.Client {
	nodes := s.client.Nodes()
	for addr, node := range nodes {
		whole := s.guard.dials.whole(addr)
		if whole == addr {
			continue
		}
		delete(nodes, addr)
		if nodes[whole] == nil {
			nodes[whole] = node
		}
	}
	return nodes
}

// interview asks one server which process it is (its run id), and maybe for the layout.
func interview(ctx context.Context, node rueidis.Client, addr string, slots bool) report {
	cmds := questions(node.B())
	if slots {
		cmds = append(cmds, node.B().ClusterSlots().Build())
	}
	asked := time.Now()
	res := node.DoMulti(ctx, cmds...)
	r := report{addr: addr}
	if st, err := readStatement(res); err == nil {
		r.statement = st
		r.asked, r.got = asked, time.Now()
	}
	if !slots {
		return r
	}
	ranges, err := res[len(res)-1].ToArray()
	if err == nil {
		r.layout, err = parseSlots(ranges, addr)
	}
	r.err = err
	return r
}

func (s *scout) begin(addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking[addr] {
		return false
	}
	s.asking[addr] = true
	return true
}

func (s *scout) end(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asking, addr)
}
