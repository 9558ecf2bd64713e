package redisstore

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/respconn"
)

// directs are the connections, by master, that commands with a short answer go to directly: without
// the queue, from the goroutine that calls, and answered by the goroutine that reads the room's
// events. They are those of the links. A command for which there is none goes through the queue.
type directs struct {
	mu    sync.Mutex // of changes
	conns atomic.Pointer[map[string]*respconn.Conn]
}

func (d *directs) of(addr string) *respconn.Conn {
	if conns := d.conns.Load(); conns != nil {
		return (*conns)[addr]
	}
	return nil
}

// offer has commands for a master go to a connection, until withdraw.
func (d *directs) offer(addr string, c *respconn.Conn) {
	d.change(func(conns map[string]*respconn.Conn) { conns[addr] = c })
}

func (d *directs) withdraw(addr string, c *respconn.Conn) {
	d.change(func(conns map[string]*respconn.Conn) {
		if conns[addr] == c {
			delete(conns, addr)
		}
	})
}

func (d *directs) change(how func(conns map[string]*respconn.Conn)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := make(map[string]*respconn.Conn)
	if before := d.conns.Load(); before != nil {
		maps.Copy(next, *before)
	}
	how(next)
	d.conns.Store(&next)
}

const evalsha = "EVALSHA"

// start runs a script whose answer is a text or a number. It does not block; then may be told before
// it returns. The script is only run a second time when Redis says that it does not have it, and so
// did not run it.
func (p *pipeline) start(ctx context.Context, s *script, r run, then attendant) {
	c := p.newCall(ctx)
	c.script, c.words = s, [...]string{evalsha, s.sha, num(int64(len(r.keys)))}
	c.command = respconn.Command{Words: c.words[:], Keys: r.keys, Args: r.args}
	p.begin(c, then)
}

// startCommand is start for a command of one word.
func (p *pipeline) startCommand(ctx context.Context, word, key, arg string, then attendant) {
	c := p.newCall(ctx)
	c.words[0] = word
	c.command = respconn.Command{Words: c.words[:1], Keys: []string{key}, Args: []string{arg}}
	p.begin(c, then)
}

func (p *pipeline) begin(c *call, then attendant) {
	c.then = then
	p.unattended.add(c)
	p.send(c, true)
}

// send sends a call that no goroutine waits for.
func (p *pipeline) send(c *call, directly bool) {
	if directly && c.ctx.Err() == nil {
		c.addr = p.masterOf(slotOf(c.command.Keys[0]))
		if conn := p.direct.of(c.addr); conn != nil && conn.Send(&c.command, c) == nil {
			return
		}
	}
	c.one[0] = p.client.B().Arbitrary(c.command.Words...).Keys(c.command.Keys...).Args(c.command.Args...).Build()
	c.cmds = c.one[:]
	if err := p.post(c); err != nil && p.unattended.remove(c) {
		c.then.answered("", err)
	}
}

// Answered implements respconn.Receiver, for a call that was sent directly.
func (c *call) Answered(text string, err error) {
	if answer, ok := refusal(err); ok {
		if strings.HasPrefix(answer, "MOVED ") || strings.HasPrefix(answer, "ASK ") {
			c.pipe.send(c, false) // the client library finds the way
			return
		}
		c.pipe.guard.inspectOne(c.addr, err)
	}
	c.pipe.finish(c, text, err)
}

// text runs a script as start does, and waits for the answer.
func (p *pipeline) text(ctx context.Context, s *script, r run) (string, error) {
	w := make(textWaiter, 1)
	p.start(ctx, s, r, w)
	return w.wait(ctx)
}

// textWaiter is an attendant that a goroutine waits for.
type textWaiter chan answer

type answer struct {
	text string
	err  error
}

func (w textWaiter) answered(text string, err error) { w <- answer{text, err} }

func (w textWaiter) wait(ctx context.Context) (string, error) {
	select {
	case a := <-w:
		return a.text, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
}
