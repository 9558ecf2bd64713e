package pipeline

import (
	"fmt"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
	"github.com/redis/rueidis"
)

// sweepInterval is how often unattended calls are checked for contexts that have ended.
const sweepInterval = 50 * time.Millisecond

// unattended are the calls for whose answers no goroutine waits.
type unattended struct {
	mu     sync.Mutex
	calls  []*call
	timer  *time.Timer // of the sweep to come; nil: none is
	closed bool
}

// hand gives an answer to the respconn.Receiver, unless the call is over.
func (p *Pipeline) hand(c *call, res rueidis.RedisResult) {
	msg, err := res.ToMessage()
	text := ""
	switch {
	case err != nil:
	case msg.IsInt64():
		n, _ := msg.AsInt64()
		text = record.Num(n)
	default:
		text, err = msg.ToString()
	}
	p.finish(c, text, err)
}

// finish ends a call that no goroutine waits for, unless it is over, or its script has to be sent first.
func (p *Pipeline) finish(c *call, text string, err error) {
	if isNoScript(err) && c.script != nil && c.words[0] == evalsha && c.ctx.Err() == nil {
		c.words[0], c.words[1] = "EVAL", c.script.Text
		p.send(c, true)
		return
	}
	if !p.unattended.remove(c) {
		return
	}
	then := c.then
	p.free(c)
	then.Answered(text, p.Wrap(err))
}

func (u *unattended) add(c *call) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls = append(u.calls, c)
	c.place = len(u.calls)
	u.arm()
}

// arm starts the timer of the next sweep. The lock is held.
func (u *unattended) arm() {
	if u.timer == nil && !u.closed {
		u.timer = time.AfterFunc(sweepInterval, u.sweep)
	}
}

// close ends all calls. Those that are added later are refused when they are sent.
func (u *unattended) close() {
	u.mu.Lock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
	u.mu.Unlock()
	u.end(store.ErrClosed, func(*call) bool { return true })
}

// remove reports false when the call is over already.
func (u *unattended) remove(c *call) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.cut(c)
}

// cut takes a call out. The lock is held.
func (u *unattended) cut(c *call) bool {
	if c.place == 0 {
		return false
	}
	last := len(u.calls) - 1
	u.calls[last].place = c.place
	u.calls[c.place-1] = u.calls[last]
	u.calls[last] = nil
	u.calls, c.place = u.calls[:last], 0
	return true
}

// sweep ends the calls whose context has ended. It runs again while there are calls.
func (u *unattended) sweep() {
	u.end(nil, func(c *call) bool { return c.ctx.Err() != nil })
	u.mu.Lock()
	defer u.mu.Unlock()
	u.timer = nil
	if len(u.calls) > 0 {
		u.arm()
	}
}

// end ends calls. With a nil err they get the error of their context.
func (u *unattended) end(err error, over func(*call) bool) {
	u.mu.Lock()
	var ended []*call
	for i := len(u.calls) - 1; i >= 0; i-- {
		if c := u.calls[i]; over(c) {
			u.cut(c)
			ended = append(ended, c)
		}
	}
	u.mu.Unlock()
	for _, c := range ended {
		why := err
		if why == nil {
			why = fmt.Errorf("%w: %w", store.ErrUnavailable, c.ctx.Err())
		}
		c.then.Answered("", why)
	}
}
