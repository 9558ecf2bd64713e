package largenode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/parallel"
)

// Spec says what a part of a run does.
type Spec struct {
	// Members is how many the node has, Peers how many another one has that is killed; 0: there is
	// none.
	Members, Peers int
	// Ping is the ping interval. Window is for how long the members idle while that is measured, Before
	// for how long the probe runs until the other node's members come, and After for how long it goes on
	// when they have left: a node looks for members of a dead one a second time, 10 s after the first.
	Ping, Window, Before, After time.Duration
	// Abandon leaves the node as it is: the process is about to end, and to close all that takes long.
	Abandon bool
}

// Report is what a part of a run came to.
type Report struct {
	// Empty is the memory at the start, Ends that with the far ends alone (Control only), and Full that
	// at the end of the window.
	Empty, Ends, Full Memory
	// Entered is how long it took until all had joined, and Refused how many joins had to be repeated,
	// since they were not answered in time.
	Entered time.Duration
	Refused int64
	// Idle is the window, Probed the time after it, with the probe, in which the other node's members
	// join, and Reaping that from its death until some time after the last of them was seen leaving.
	Idle, Probed, Reaping Span
	// First and Last is how long after the death the first and the last member was seen leaving.
	First, Last time.Duration
}

const (
	// settle is how long the members idle before that is measured.
	settle = 2 * time.Second
	// reapWait is how long the members of the other node may take to leave: its lease, and then some.
	reapWait = time.Minute
	// closeWait is how long the server may take to close.
	closeWait = 30 * time.Second
	// joinsAtOnce is how many members of the other node join at a time.
	joinsAtOnce = 16
)

// RunNode runs a node and, where asked, the death of another one.
func RunNode(ctx context.Context, s Spec) (r *Report, err error) {
	r = new(Report)
	if r.Empty, err = readMemory(); err != nil {
		return nil, err
	}
	n, err := startNode(ctx, s.Ping)
	if err != nil {
		return nil, err
	}
	loop := startControlLoop()
	defer loop.close()
	c := newCrowd(s.Members, s.Peers, s.Ping)
	defer func() {
		c.closing.Store(true)
		if s.Abandon {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
		defer cancel()
		err = errors.Join(err, n.close(ctx))
	}()
	if err := c.enter(ctx, n.listener.Connect, c.members...); err != nil {
		return nil, err
	}
	r.Entered, r.Refused = c.now(), c.refused.Load()
	if err := sleep(ctx, settle); err != nil {
		return nil, err
	}
	m := &meter{crowd: c, control: loop, sign: &n.store.late}
	if r.Idle, err = m.span(ctx, s.Window); err != nil {
		return nil, err
	}
	if r.Full, err = readMemory(); err != nil {
		return nil, err
	}
	if s.Peers > 0 {
		if err := r.lose(ctx, s, n, m); err != nil {
			return nil, err
		}
	}
	if open := n.io.Engine().Sessions(); open < s.Members {
		return nil, fmt.Errorf("%d of %d sessions are left", open, s.Members)
	}
	return r, c.err()
}

// lose has another node join, and die.
func (r *Report) lose(ctx context.Context, s Spec, n *node, m *meter) error {
	probe, err := startProbe(ctx, m.crowd, n.listener.Connect)
	if err != nil {
		return err
	}
	defer probe.close()
	m.probe = probe
	if err := m.start(); err != nil {
		return err
	}
	if err := sleep(ctx, s.Before); err != nil {
		return err
	}
	p, err := startPeer(ctx, n.store.Store)
	if err != nil {
		return err
	}
	err = parallel.Each(ctx, s.Peers, joinsAtOnce, func(i int) error { return p.join(ctx, i) })
	if err != nil {
		return err
	}
	if r.Probed, err = m.end(); err != nil {
		return err
	}
	killed := time.Now()
	if err := p.kill(ctx); err != nil {
		return err
	}
	if err := r.watch(ctx, m.crowd, int64(s.Peers), killed); err != nil {
		return err
	}
	if err := sleep(ctx, s.After); err != nil {
		return err
	}
	if r.Reaping, err = m.end(); err != nil {
		return err
	}
	for _, key := range n.store.Keys() {
		if strings.Contains(key, ":peer-") { // not only "peer-": among so many random ids one may have that in it
			return fmt.Errorf("%s is left in the store", key)
		}
	}
	return nil
}

// watch waits until all members of the other node were seen leaving.
func (r *Report) watch(ctx context.Context, c *crowd, members int64, killed time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, reapWait)
	defer cancel()
	for c.reaped.Load() < members {
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return errors.Join(fmt.Errorf("%d of %d were seen leaving: %w", c.reaped.Load(), members, err), c.err())
		}
		if r.First == 0 && c.reaped.Load() > 0 {
			r.First = time.Since(killed)
		}
	}
	r.Last = time.Since(killed)
	return nil
}

// span measures some time from now on.
func (m *meter) span(ctx context.Context, d time.Duration) (Span, error) {
	if err := m.start(); err != nil {
		return Span{}, err
	}
	if err := sleep(ctx, d); err != nil {
		return Span{}, err
	}
	return m.end()
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
