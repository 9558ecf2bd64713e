package core

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Go runs f on a goroutine that the end of the node waits for; a node that has ended runs
// nothing any more.
func (n *Node) Go(f func()) { _ = n.TryGo(f) }

// TryGo is Go for callers that must know: it reports false, and runs nothing, when
// the node has ended.
func (n *Node) TryGo(f func()) bool { return n.Workers.TryGo(f) }

// Every runs f again and again, d after it last returned, until the node ends.
func (n *Node) Every(d time.Duration, f func()) {
	n.Go(func() {
		for n.Sleep(d) {
			f()
		}
	})
}

// Sleep waits; it reports false when the node ended meanwhile.
func (n *Node) Sleep(d time.Duration) bool {
	return n.Wait(n.Ctx, d) == nil
}

// Wait blocks for a while, or until ctx or the node ends: that is an error.
func (n *Node) Wait(ctx context.Context, d time.Duration) error {
	done := make(chan struct{})
	t := n.Clock.AfterFunc(d, func() { close(done) })
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.Join(store.ErrUnavailable, ctx.Err())
	case <-n.Ctx.Done():
		return store.ErrClosed
	}
}

// Schedule runs an operation in an executor when the leave pool has a turn for the room of the
// executor.
func (n *Node) Schedule(l *serial.Executor, op func()) {
	n.LeavePool.Schedule(l, func(time.Time) { op() })
}

// NewExecutor returns an executor for operations on a room.
func NewExecutor(room string) *serial.Executor {
	l := new(serial.Executor)
	l.Init(room, nil)
	return l
}

// Retrying runs a step again and again until it succeeds or the node ends. It blocks.
func (n *Node) Retrying(doing string, step func() error) {
	for {
		err := step()
		if err == nil || n.Ctx.Err() != nil {
			return
		}
		n.Throttled.Warn("repair after a loss of data waits for the store; trying again", "doing", doing, "error", err)
		if !n.Sleep(RetryInterval) {
			return
		}
	}
}

// MaxJitter is over what time nodes spread what an outage makes all of them do.
const MaxJitter = time.Second

// Jitter is a part of it.
func Jitter() time.Duration { return mathrand.N(MaxJitter) }

// PanicError is a panic of the application's code.
type PanicError struct {
	value any
	stack []byte
}

func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// CallApplication runs code of the application; its panic becomes an error, so that it
// costs one request and not the process. Called on goroutines of the node
// only: its end does not wait for this code longer than it was allowed to.
func (n *Node) CallApplication(f func() error) (err error) {
	n.Workers.EnterApplication()
	defer n.Workers.LeaveApplication()
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
	}()
	return f()
}

// RandomID returns n random bytes as URL-safe text.
func RandomID(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}
