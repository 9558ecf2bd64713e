package pipeline

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
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

// Offer has commands for a master go to a connection, until Withdraw. An empty address is that of the
// only master.
func (d *directs) Offer(addr string, c *respconn.Conn) {
	d.change(func(conns map[string]*respconn.Conn) { conns[addr] = c })
}

// Withdraw ends an Offer.
func (d *directs) Withdraw(addr string, c *respconn.Conn) {
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

// Start runs a script whose answer is a text or a number. It does not block; then may be told before
// it returns. The script is only run a second time when Redis says that it does not have it, and so
// did not run it.
func (p *Pipeline) Start(ctx context.Context, s *Script, r Run, then respconn.Receiver) {
	c := p.newCall(ctx)
	c.script, c.words = s, [...]string{evalsha, s.sha, record.Num(int64(len(r.Keys)))}
	c.command = respconn.Command{Words: c.words[:], Keys: r.Keys, Args: r.Args}
	p.begin(c, then)
}

func (p *Pipeline) begin(c *call, then respconn.Receiver) {
	c.then = then
	p.unattended.add(c)
	p.send(c, true)
}

// send sends a call that no goroutine waits for.
func (p *Pipeline) send(c *call, directly bool) {
	if directly && c.ctx.Err() == nil {
		c.addr = p.masterOf(keyslot.Of(c.command.Keys[0]))
		if conn := p.Direct.of(c.addr); conn != nil && conn.Send(&c.command, c) == nil {
			return
		}
	}
	c.one[0] = p.client.B().Arbitrary(c.command.Words...).Keys(c.command.Keys...).Args(c.command.Args...).Build()
	c.cmds = c.one[:]
	if err := p.post(c); err != nil && p.unattended.remove(c) {
		c.then.Answered("", err)
	}
}

// Answered implements respconn.Receiver, for a call that was sent directly.
func (c *call) Answered(text string, err error) {
	if answer, ok := access.Refusal(err); ok {
		if strings.HasPrefix(answer, "MOVED ") || strings.HasPrefix(answer, "ASK ") {
			c.pipe.send(c, false) // the client library finds the way
			return
		}
		c.pipe.guard.InspectOne(c.addr, err)
	}
	c.pipe.finish(c, text, err)
}

// Text is Start for a goroutine that waits for the answer, as long as ctx lasts.
func (p *Pipeline) Text(ctx context.Context, s *Script, r Run) (string, error) {
	w := make(respconn.Waiter, 1)
	p.Start(ctx, s, r, w)
	return wait(ctx, w)
}

// Command sends a command of one word, as Text does.
func (p *Pipeline) Command(ctx context.Context, word, key, arg string) (string, error) {
	c := p.newCall(ctx)
	c.words[0] = word
	c.command = respconn.Command{Words: c.words[:1], Keys: []string{key}, Args: []string{arg}}
	w := make(respconn.Waiter, 1)
	p.begin(c, w)
	return wait(ctx, w)
}

func wait(ctx context.Context, w respconn.Waiter) (string, error) {
	text, err := w.Wait(ctx)
	if err != nil && err == ctx.Err() {
		err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return text, err
}
