package topology

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/redis/rueidis"
)

const (
	// AskTime is how long servers may take to say how the cluster is laid out.
	AskTime = time.Second
	// witnesses is how many servers of a cluster are asked for its layout. The majority is
	// believed, so that a server that was cut off, and still thinks that it is a master,
	// misleads no node.
	witnesses = 5
)

// Scout finds out which master holds which slot (the layout), and which process each master is.
// A node is a server of Redis here, as the client library calls it.
type Scout struct {
	client  rueidis.Client
	pipe    *pipeline.Pipeline
	guard   *access.Guard
	whole   func(addr string) string // an address with its host
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
	layout *Layout
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
func (st *statement) master(addr string, before *Layout) Master {
	m := Master{Addr: addr, Run: st.run, Major: st.major}
	if before != nil {
		for _, o := range before.Masters {
			if o.Addr == addr && o.Run == st.run {
				m.Ahead = o.Ahead
			}
		}
	}
	m.Ahead = m.Ahead.learn(st.asked, st.got, st.clockMs)
	return m
}

// roleTime is how long a master of a cluster may say that it is a replica
// before its connections are cut: the layout learns of a failover sooner.
const roleTime = 3 * time.Second

// Look asks for the layout. The answer is complete only together with the layout before. It
// fails if no server answers, or if the answers cannot be read.
func (s *Scout) Look(ctx context.Context, before *Layout) (*Layout, error) {
	ctx, cancel := context.WithTimeout(ctx, AskTime)
	defer cancel()
	next, err := s.ask(ctx, before)
	if err != nil {
		return nil, err
	}
	next.inherit(before)
	next.SetClocks(s.clock)
	return next, nil
}

// NewScout returns a scout. The clock that counts is that of the master of the slot clock.
func NewScout(c rueidis.Client, p *pipeline.Pipeline, g *access.Guard, clock uint16) *Scout {
	return &Scout{
		client: c, pipe: p, guard: g, whole: g.Whole, cluster: c.Mode() == rueidis.ClientModeCluster, clock: clock,
		asking: make(map[string]bool), replicas: make(map[string]time.Time),
	}
}

// Wait returns when nobody is asked any more. Nothing may be asked from then on.
func (s *Scout) Wait() { s.wg.Wait() }

func (s *Scout) ask(ctx context.Context, before *Layout) (*Layout, error) {
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
func (s *Scout) askOne(ctx context.Context) (*Layout, error) {
	res, err := s.pipe.DoMany(ctx, questions(s.client.B()))
	if err != nil {
		return nil, err
	}
	st, err := readStatement(res)
	if err != nil {
		return nil, s.pipe.Wrap(err)
	}
	if st.replica {
		s.guard.Replica("")
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, access.ErrReplica)
	}
	return &Layout{Masters: []Master{{Run: st.run}}}, nil
}

// checkRoles cuts the connections to masters of a cluster that have long said
// that they are replicas: their addresses may lead to other servers by now.
func (s *Scout) checkRoles(l *Layout, reports []report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range reports {
		master := slices.ContainsFunc(l.Masters, func(m Master) bool { return m.Addr == r.addr })
		since, known := s.replicas[r.addr]
		switch {
		case r.run == "": // it gave no answer
		case !r.replica || !master:
			delete(s.replicas, r.addr)
		case !known:
			s.replicas[r.addr] = time.Now()
		case time.Since(since) >= roleTime:
			s.guard.Replica(r.addr)
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
	clock, err := TimeMs(answers[2].AsIntSlice())
	if err != nil {
		return st, err
	}
	major, _ := MajorVersion(server) // if that is odd, it was said at the start
	return statement{
		run: InfoField(server, "run_id"), replica: InfoField(replication, "role") == "slave", major: major, clockMs: clock,
	}, nil
}

// agreed is the layout that most servers report, with what each master says of itself; nil
// if no server reports one.
func agreed(reports []report, before *Layout) *Layout {
	var best *Layout
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
			best.Up = append(best.Up, r.addr)
		}
		for i := range best.Masters {
			if m := &best.Masters[i]; m.Addr == r.addr && r.run != "" {
				*m = r.master(r.addr, before)
			}
		}
	}
	return best
}

// survey asks the masters for their run id, and some servers for the layout. The error says
// why a server gave no layout.
func (s *Scout) survey(ctx context.Context, before *Layout) (reports []report, err error) {
	nodes := s.Nodes()
	asked := slices.Collect(maps.Keys(nodes))
	rand.Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
	said := make(chan report, len(asked))
	awaited, witness := 0, 0
	for _, addr := range asked {
		run := before != nil && slices.ContainsFunc(before.Masters, func(m Master) bool { return m.Addr == addr })
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
	err = ErrNoNode
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

// Nodes returns the servers that the client library knows, by address. After a MOVED to a server
// without a host of its own the library knows one by its port alone: it is at the host that
// connections to it are made to, and no other server than before.
func (s *Scout) Nodes() map[string]rueidis.Client {
	nodes := s.client.Nodes()
	for addr, node := range nodes {
		whole := s.whole(addr)
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
		r.layout, err = ParseSlots(ranges, addr)
	}
	r.err = err
	return r
}

func (s *Scout) begin(addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking[addr] {
		return false
	}
	s.asking[addr] = true
	return true
}

func (s *Scout) end(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asking, addr)
}

// ErrNoNode says that nobody knows how to reach a server.
var ErrNoNode = errors.New("no connection to that server of Redis")
