package redisstore

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	// askTime is how long servers may take to say how the cluster is laid out.
	askTime = time.Second
	// witnesses is how many servers of a cluster are asked for its layout: what
	// most of them say is believed, so that one that was cut off, and thinks
	// itself a master still, misleads nobody.
	witnesses = 5
)

// scout finds out how the masters are laid out.
type scout struct {
	client  rueidis.Client
	pipe    *pipeline
	cluster bool
	wg      sync.WaitGroup

	mu     sync.Mutex
	asking map[string]bool // addresses that owe an answer; they are not asked again
}

// report is what one server said. Layout or run are empty when it was not
// asked for them.
type report struct {
	addr, run string
	layout    *layout
	err       error
}

// look asks for the layout, which is complete only together with the one
// before. It fails if nobody answers, or if the answers are not understood.
func (s *scout) look(ctx context.Context, before *layout) (*layout, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	next, err := s.ask(ctx, before)
	if err != nil {
		return nil, err
	}
	next.inherit(before)
	return next, nil
}

func (s *scout) ask(ctx context.Context, before *layout) (*layout, error) {
	if !s.cluster {
		msg, err := s.pipe.do(ctx, s.client.B().Info().Section("server").Build())
		if err != nil {
			return nil, err
		}
		info, err := msg.ToString()
		return &layout{masters: []master{{run: infoField(info, "run_id")}}}, err
	}
	reports, err := s.survey(ctx, before)
	if next := agreed(reports); next != nil {
		return next, nil
	}
	return nil, err
}

// agreed is the layout that most servers report, with what each master says of
// itself; nil if nobody reports any.
func agreed(reports []report) *layout {
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
			if m := &best.masters[i]; m.addr == r.addr {
				m.run = r.run
			}
		}
	}
	return best
}

// survey asks the masters for their run, and some servers for the layout. The
// error says why somebody gave no layout.
func (s *scout) survey(ctx context.Context, before *layout) (reports []report, err error) {
	nodes := s.client.Nodes()
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
		case <-ctx.Done(): // those who are late are not waited for
			return reports, fmt.Errorf("ask the cluster: %w", ctx.Err())
		}
	}
	return reports, err
}

// interview asks one server for its run, and maybe for the layout.
func interview(ctx context.Context, node rueidis.Client, addr string, slots bool) report {
	cmds := []rueidis.Completed{node.B().Info().Section("server").Build()}
	if slots {
		cmds = append(cmds, node.B().ClusterSlots().Build())
	}
	res := node.DoMulti(ctx, cmds...)
	r := report{addr: addr}
	if info, err := res[0].ToString(); err == nil {
		r.run = infoField(info, "run_id")
	}
	if !slots {
		return r
	}
	ranges, err := res[1].ToArray()
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
