package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

const (
	// lanes is how many batches may be under way to a master at once. Measured:
	// more of them make batches smaller and calls dearer.
	lanes = 4
	// batchSize bounds the commands of a batch, so that a large call does not
	// hold up many small ones.
	batchSize = 256
	// batchTime ends a batch that the client library did not, long after the
	// callers have left.
	batchTime = 10 * time.Second
)

// pipeline gathers the commands of all callers into batches, each for one
// master: one that stalls holds up nobody else's. A caller leaves when its
// context ends, whatever the connection does; what it had in the queue then is
// not sent any more, what was sent is in doubt.
//
// The client library alone does not give that: its ring blocks when it is
// full, and so does the wait for a connection that another caller dials.
type pipeline struct {
	client   rueidis.Client
	masterOf func(slot uint16) string
	guard    *guard
	calls    sync.Pool // of *call

	mu     sync.Mutex
	lines  map[string]*line // by master
	closed bool

	unattended unattended
	ends       context.Context
	end        context.CancelFunc
	wg         sync.WaitGroup
}

// line is the queue to one master.
type line struct {
	addr    string
	queue   []*call
	busy    int             // lanes in use
	resting []chan struct{} // of lanes that wait for more; the last to come goes first
}

// restTime is how long a lane waits for more before it ends: a goroutine that
// begins has to grow its stack, which costs more than a wait.
const restTime = 5 * time.Second

// call is one caller's commands to one master; done has room for the answer.
type call struct {
	ctx  context.Context
	cmds []rueidis.Completed
	one  [1]rueidis.Completed
	done chan []rueidis.RedisResult

	then  attendant // if set, it is told, and nobody waits
	place int       // among the unattended, from 1; theirs
}

// newCall returns a call to fill in.
func (p *pipeline) newCall(ctx context.Context) *call {
	c, ok := p.calls.Get().(*call)
	if !ok {
		c = &call{done: make(chan []rueidis.RedisResult, 1)}
	}
	c.ctx = ctx
	return c
}

// free takes a call back that was answered. One whose caller left may be
// answered yet.
func (p *pipeline) free(c *call) {
	c.ctx, c.cmds, c.one[0], c.then = nil, nil, rueidis.Completed{}, nil
	p.calls.Put(c)
}

// newPipeline sends to the masters that masterOf names. It need not be right:
// the client library finds the way.
func newPipeline(c rueidis.Client, masterOf func(slot uint16) string, g *guard) *pipeline {
	p := &pipeline{client: c, masterOf: masterOf, guard: g, lines: make(map[string]*line)}
	p.ends, p.end = context.WithCancel(context.Background())
	return p
}

// do sends one command.
func (p *pipeline) do(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisMessage, error) {
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
	return msg, p.wrap(err)
}

// doMany sends commands together. The error is that of the first one that got
// no answer; errors that Redis answered stay in the results.
func (p *pipeline) doMany(ctx context.Context, cmds []rueidis.Completed) ([]rueidis.RedisResult, error) {
	if len(cmds) == 0 {
		return nil, nil
	}
	if p.together(cmds) {
		c, err := p.postMany(ctx, cmds)
		if err != nil {
			return nil, err
		}
		return p.awaitMany(c)
	}
	parts := p.split(cmds)
	for i := range parts {
		var err error
		if parts[i].call, err = p.postMany(ctx, parts[i].cmds); err != nil {
			return nil, err
		}
	}
	all := make([]rueidis.RedisResult, len(cmds))
	for _, part := range parts {
		res, err := p.awaitMany(part.call)
		if err != nil {
			return nil, err
		}
		for i, at := range part.at {
			all[at] = res[i]
		}
	}
	return all, nil
}

func (p *pipeline) postMany(ctx context.Context, cmds []rueidis.Completed) (*call, error) {
	c := p.newCall(ctx)
	c.cmds = cmds
	return c, p.post(c)
}

func (p *pipeline) awaitMany(c *call) ([]rueidis.RedisResult, error) {
	res, err := p.await(c)
	if err != nil {
		return nil, err
	}
	p.free(c)
	for i := range res {
		if err := res[i].NonRedisError(); err != nil && !rueidis.IsRedisNil(err) {
			return nil, p.wrap(err)
		}
	}
	return res, nil
}

// together tells whether commands go to one master, the usual case.
func (p *pipeline) together(cmds []rueidis.Completed) bool {
	for i := 1; i < len(cmds); i++ {
		if p.masterOf(cmds[i].Slot()) != p.masterOf(cmds[0].Slot()) {
			return false
		}
	}
	return true
}

// part is what of many commands one master gets; at says where they were.
type part struct {
	cmds []rueidis.Completed
	at   []int
	call *call
}

// split sorts commands by master, keeping their order.
func (p *pipeline) split(cmds []rueidis.Completed) []part {
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
func (p *pipeline) post(c *call) error {
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
		p.lines[addr] = l
	}
	l.queue = append(l.queue, c)
	switch last := len(l.resting) - 1; {
	case last >= 0:
		l.busy++
		l.resting[last] <- struct{}{} // it has room
		l.resting = l.resting[:last]
	case l.busy < lanes:
		l.busy++
		p.wg.Go(func() { p.lane(l) })
	}
	return nil
}

// await waits for the answer to a call, as long as its context lasts.
func (p *pipeline) await(c *call) ([]rueidis.RedisResult, error) {
	select {
	case res := <-c.done:
		return res, nil
	case <-c.ctx.Done():
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, c.ctx.Err())
	case <-p.ends.Done():
		return nil, store.ErrClosed
	}
}

// lane sends batches until there are none for a while.
func (p *pipeline) lane(l *line) {
	var calls []*call
	var cmds []rueidis.Completed
	wake, over := make(chan struct{}, 1), time.NewTimer(restTime)
	defer over.Stop()
	for {
		if calls = p.take(l, calls[:0], wake); len(calls) == 0 {
			if !p.rest(l, wake, over) {
				return
			}
			continue
		}
		cmds = cmds[:0]
		for _, c := range calls {
			cmds = append(cmds, c.cmds...)
		}
		ctx, cancel := context.WithTimeout(p.ends, batchTime)
		res := p.client.DoMulti(ctx, cmds...)
		cancel()
		p.guard.inspect(l.addr, res)
		if lost(res) {
			cmds = nil
		}
		for i, c := range calls {
			n := len(c.cmds)
			if c.then != nil {
				p.hand(c, res[0])
			} else {
				c.done <- res[:n:n]
			}
			res, calls[i] = res[n:], nil
		}
	}
}

// lost tells whether a command got no answer. The client library may be writing the
// batch still, then.
func lost(res []rueidis.RedisResult) bool {
	return slices.ContainsFunc(res, func(r rueidis.RedisResult) bool { return r.NonRedisError() != nil })
}

// rest waits until the lane has something to do; it reports false at its end.
func (p *pipeline) rest(l *line, wake chan struct{}, over *time.Timer) bool {
	over.Reset(restTime)
	select {
	case <-wake:
		return true
	case <-over.C:
	case <-p.ends.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(l.resting, wake)
	if i < 0 { // it was called just now
		<-wake
		return true
	}
	l.resting = slices.Delete(l.resting, i, i+1)
	return false
}

// take moves calls that are still waited for into a batch. When there are none
// the lane is free again: whoever has work for it says so with wake.
func (p *pipeline) take(l *line, batch []*call, wake chan struct{}) []*call {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && size < batchSize && !p.closed {
		c := l.queue[n]
		l.queue[n] = nil
		n++
		if c.ctx.Err() == nil {
			batch = append(batch, c)
			size += len(c.cmds)
		}
	}
	if n == len(l.queue) {
		l.queue = l.queue[:0]
	} else {
		l.queue = l.queue[n:]
	}
	if len(batch) == 0 {
		l.busy--
		l.resting = append(l.resting, wake)
	}
	return batch
}

func (p *pipeline) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// close ends every call, and waits for the lanes.
func (p *pipeline) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.end()
	p.wg.Wait()
	p.unattended.close()
}

// wrap gives an error of the client library its place among the store's.
func (p *pipeline) wrap(err error) error {
	if err == nil || rueidis.IsRedisNil(err) {
		return nil
	}
	if e, ok := rueidis.IsRedisErr(err); ok {
		if troubleOf(e.Error()) != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		return err
	}
	if errors.Is(err, rueidis.ErrClosing) && p.isClosed() {
		return store.ErrClosed
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
