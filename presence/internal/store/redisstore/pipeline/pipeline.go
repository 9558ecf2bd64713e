// Package pipeline is the way of commands to the masters. Scripts with a short answer go directly to a
// connection where there is one; all others, and all that need the client library to find the way, go
// through a queue for each master. Nobody waits longer than the context of the call.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/workers"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/respconn"
	"github.com/redis/rueidis"
)

const (
	// lanes is how many batches may be under way to a master at once. Measured:
	// more of them make batches smaller, and each call costs more.
	lanes = 4
	// BatchSize bounds the commands of a batch, so that a large call does not
	// hold up many small ones.
	BatchSize = 256
	// batchTime ends a batch that the client library did not, long after the
	// callers have left.
	batchTime = 10 * time.Second
)

// Pipeline gathers the commands of all callers into batches, each for one
// master: one that stalls holds up nobody else's. A caller leaves when its
// context ends, whatever the connection does; what it had in the queue then is
// not sent any more, what was sent is in doubt.
//
// The client library alone does not give that: its ring blocks when it is
// full, and so does the wait for a connection that another caller dials.
type Pipeline struct {
	client   rueidis.Client
	masterOf func(slot uint16) string
	guard    *access.Guard
	calls    sync.Pool // of *call
	batches  sync.Pool // of *batch
	Direct   directs

	mu     sync.Mutex
	lines  map[string]*line // by master
	closed bool

	unattended unattended
	ends       context.Context
	end        context.CancelFunc
	senders    workers.Pool
}

// line is the queue to one master.
type line struct {
	addr  string
	queue []*call
	busy  int    // lanes in use
	send  func() // sends what is in the queue: one lane
}

// call is one caller's commands to one master; done has room for the answer.
type call struct {
	ctx  context.Context
	cmds []rueidis.Completed
	one  [1]rueidis.Completed
	done chan []rueidis.RedisResult

	// If then is set, it is called with the answer to the command, and no goroutine waits.
	then    respconn.Receiver
	command respconn.Command
	words   [3]string // those of the command
	script  *Script   // which the command runs; nil: none
	addr    string    // of the server that it was sent to directly
	pipe    *Pipeline
	place   int // among the unattended, from 1; theirs
}

// newCall returns a call to fill in.
func (p *Pipeline) newCall(ctx context.Context) *call {
	c, ok := p.calls.Get().(*call)
	if !ok {
		c = &call{done: make(chan []rueidis.RedisResult, 1), pipe: p}
	}
	c.ctx = ctx
	return c
}

// free takes a call back that was answered. A call whose caller has left must not be freed,
// since it may still be answered.
func (p *Pipeline) free(c *call) {
	c.ctx, c.cmds, c.one[0], c.then, c.command, c.script = nil, nil, rueidis.Completed{}, nil, respconn.Command{}, nil
	p.calls.Put(c)
}

// New sends to the masters that masterOf names. It need not be right:
// the client library finds the way.
func New(c rueidis.Client, masterOf func(slot uint16) string, g *access.Guard) *Pipeline {
	p := &Pipeline{client: c, masterOf: masterOf, guard: g, lines: make(map[string]*line)}
	p.ends, p.end = context.WithCancel(context.Background())
	return p
}

// Do sends one command.
func (p *Pipeline) Do(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	c := p.newCall(ctx)
	c.one[0] = cmd
	c.cmds = c.one[:]
	if err := p.post(c); err != nil {
		return rueidis.RedisMessage{}, err
	}
	res, err := p.await(c)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	p.free(c)
	msg, err := res[0].ToMessage()
	return msg, p.Wrap(err)
}

// DoMany sends commands together. The error is that of the first one that got
// no answer; errors that Redis answered stay in the results.
func (p *Pipeline) DoMany(ctx context.Context, cmds []rueidis.Completed) ([]rueidis.RedisResult, error) {
	if len(cmds) == 0 {
		return nil, nil
	}
	parts := p.split(cmds)
	for i := range parts {
		c := p.newCall(ctx)
		c.cmds = parts[i].cmds
		if err := p.post(c); err != nil {
			return nil, err
		}
		parts[i].call = c
	}
	var all []rueidis.RedisResult
	for _, part := range parts {
		res, err := p.await(part.call)
		if err != nil {
			return nil, err
		}
		p.free(part.call)
		if i := slices.IndexFunc(res, unanswered); i >= 0 {
			return nil, p.Wrap(res[i].NonRedisError())
		}
		if len(parts) == 1 {
			return res, nil
		}
		if all == nil {
			all = make([]rueidis.RedisResult, len(cmds))
		}
		for i, at := range part.at {
			all[at] = res[i]
		}
	}
	return all, nil
}

// part is what of many commands one master gets; at says where they were, unless it is all
// of them.
type part struct {
	cmds []rueidis.Completed
	at   []int
	call *call
}

// split sorts commands by master, keeping their order.
func (p *Pipeline) split(cmds []rueidis.Completed) []part {
	first := p.masterOf(cmds[0].Slot())
	if !slices.ContainsFunc(cmds, func(c rueidis.Completed) bool { return p.masterOf(c.Slot()) != first }) {
		return []part{{cmds: cmds}}
	}
	var parts []part
	index := make(map[string]int, 4)
	for i, cmd := range cmds {
		addr := p.masterOf(cmd.Slot())
		n, ok := index[addr]
		if !ok {
			n = len(parts)
			index[addr] = n
			parts = append(parts, part{})
		}
		parts[n].cmds = append(parts[n].cmds, cmd)
		parts[n].at = append(parts[n].at, i)
	}
	return parts
}

// post puts a call into the queue of its master.
func (p *Pipeline) post(c *call) error {
	if err := c.ctx.Err(); err != nil && !p.isClosed() {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	addr := p.masterOf(c.cmds[0].Slot())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return store.ErrClosed
	}
	l := p.lines[addr]
	if l == nil {
		l = &line{addr: addr}
		l.send = func() { p.lane(l) }
		p.lines[addr] = l
	}
	l.queue = append(l.queue, c)
	if l.busy < lanes {
		l.busy++
		p.senders.Go(l.send)
	}
	return nil
}

// await waits for the answer to a call, as long as its context lasts.
func (p *Pipeline) await(c *call) ([]rueidis.RedisResult, error) {
	select {
	case res := <-c.done:
		return res, nil
	case <-c.ctx.Done():
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, c.ctx.Err())
	case <-p.ends.Done():
		return nil, store.ErrClosed
	}
}

// batch is what goes to a master at once.
type batch struct {
	calls []*call
	cmds  []rueidis.Completed
}

// lane sends batches until there is nothing to send.
func (p *Pipeline) lane(l *line) {
	b, ok := p.batches.Get().(*batch)
	if !ok {
		b = new(batch)
	}
	for p.take(l, b) {
		b.cmds = b.cmds[:0]
		for _, c := range b.calls {
			b.cmds = append(b.cmds, c.cmds...)
		}
		ctx, cancel := context.WithTimeout(p.ends, batchTime)
		res := p.client.DoMulti(ctx, b.cmds...)
		cancel()
		p.guard.Inspect(l.addr, res)
		if lost(res) {
			b.cmds = nil
		}
		for i, c := range b.calls {
			n := len(c.cmds)
			if c.then != nil {
				p.hand(c, res[0])
			} else {
				c.done <- res[:n:n]
			}
			res, b.calls[i] = res[n:], nil
		}
	}
	p.batches.Put(b)
}

// lost tells whether a command got no answer. The client library may be writing the
// batch still, then.
func lost(res []rueidis.RedisResult) bool { return slices.ContainsFunc(res, unanswered) }

func unanswered(r rueidis.RedisResult) bool { return r.NonRedisError() != nil }

// take moves calls that are still waited for into a batch. When there are none it
// reports false, and the lane is free again.
func (p *Pipeline) take(l *line, b *batch) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.calls = b.calls[:0]
	n, size := 0, 0
	for n < len(l.queue) && size < BatchSize && !p.closed {
		c := l.queue[n]
		l.queue[n] = nil
		n++
		if c.ctx.Err() == nil {
			b.calls = append(b.calls, c)
			size += len(c.cmds)
		}
	}
	if n == len(l.queue) {
		l.queue = l.queue[:0]
	} else {
		l.queue = l.queue[n:]
	}
	if len(b.calls) == 0 {
		l.busy--
	}
	return len(b.calls) > 0
}

// Sending reports whether a batch is under way that has no answer yet.
func (p *Pipeline) Sending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if l.busy > 0 {
			return true
		}
	}
	return false
}

func (p *Pipeline) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Close ends every call, and waits for the lanes.
func (p *Pipeline) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.end()
	p.senders.Close()
	_ = p.senders.Wait(context.Background(), 0) // which does not end
	p.unattended.close()
}

// Wrap gives an error of the client library its place among the store's.
func (p *Pipeline) Wrap(err error) error {
	if err == nil || rueidis.IsRedisNil(err) {
		return nil
	}
	if _, ok := access.Refusal(err); ok {
		if access.TroubleIn(err) != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		return err
	}
	if errors.Is(err, rueidis.ErrClosing) && p.isClosed() {
		return store.ErrClosed
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
