// Package respconn is one connection to a server of Redis that carries short commands and
// subscriptions together: a goroutine that sends writes by itself while few do, and one goroutine
// reads answers and messages, so that a script's answer and the message that it published take one
// wake-up and one read. It knows nothing of what is sent.
package respconn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/rawio"
)

const (
	// maxOut bounds the bytes that wait to be written.
	maxOut = 64 << 20
	// keptOut bounds the buffer that is kept for them.
	keptOut = 1 << 20
	// window and directSends: up to so many commands of two windows are written by who sends them. If
	// there are more, the writing goroutine gathers them: each write costs Redis a read.
	window      = time.Millisecond
	directSends = 8
	// checkInterval is how often the connection is checked; it is asked for a PONG when it was idle for
	// that long.
	checkInterval = time.Second
)

var (
	// ErrClosed says that the connection has ended: nothing was sent.
	ErrClosed = errors.New("connection to Redis ended")
	// ErrFull says that too much waits to be written: nothing was sent.
	ErrFull = errors.New("too much waits to be sent to Redis")

	errStalled = errors.New("no answer of Redis for too long")
)

// Receiver takes the answer to a command.
type Receiver interface {
	// Answered is called once for each command that was sent: with the text of the answer, with an
	// Error if Redis refused the command, or with another error if the connection ended before the
	// answer came; it may have been carried out then. The goroutine that reads from Redis calls it. It
	// must not block, and must not call Close.
	Answered(text string, err error)
}

// Handler takes what comes for subscriptions, in the order in which it comes. The goroutine that
// reads from Redis calls it; it must not block, and must not call Close.
type Handler interface {
	// Cork is called before what came at once is handed out, answers included, and Uncork behind it.
	Cork()
	Uncork()
	// Message is called for each message. Both slices are valid only during the call.
	Message(channel, payload []byte)
	// Subscribed and Unsubscribed are called when Redis confirms that for a channel. Redis also says by
	// itself that a channel is unsubscribed, when its slot moves.
	Subscribed(channel string)
	Unsubscribed(channel string)
}

// Conn is a connection. Its methods are safe for concurrent use.
type Conn struct {
	conn    net.Conn
	raw     rawio.Conn // nil: reads and writes are those of conn
	handler Handler
	stall   time.Duration
	resp3   bool
	r       reader
	reads   rawio.Reader // the reader's
	channel []byte       // of the push that is read; the reader's
	reading bool         // by the goroutine that reads, not by greet; the reader's
	corked  bool         // Cork was called, and Uncork not yet; the reader's
	idle    atomic.Int64 // since when the reader waits for bytes, Unix ns; 0: it does not
	wake    chan struct{}
	quit    chan struct{} // closed with the connection
	done    sync.WaitGroup
	ended   chan struct{} // closed when nothing is called any more

	mu      sync.Mutex
	err     error  // why it ended
	out     []byte // what is to be written
	spare   []byte // a buffer to gather into next
	writing bool   // a goroutine is in a write, and has the writer
	writer  rawio.Writer
	waiting []pending // what was sent and not answered, from first
	first   int
	// Drain was called; drained is closed, and dry is set, when nothing waits any more.
	draining, dry bool
	drained       chan struct{}

	at     int64 // the number of the present window
	now    int   // commands sent in it
	before int   // commands sent in the one before
}

// pending is a command that waits for its answer.
type pending struct {
	at    time.Time
	done  Receiver // nil: a PING, or an order
	order *order   // a subscription or its end
}

// order is a command about channels, which Redis confirms one by one, in order.
type order struct {
	channels  []string
	subscribe bool
	confirmed int
	refused   func(error)
}

// Start begins to use conn, which it owns from now on. It blocks until Redis has accepted the
// greeting, for config.Stall at most. An answer of Redis that refuses it is an Error.
func Start(conn net.Conn, config Config, h Handler) (*Conn, error) {
	c := &Conn{
		conn: conn, raw: rawio.Of(conn), handler: h, stall: config.Stall,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	c.r.Reader = bufio.NewReaderSize((*source)(c), readSize)
	if err := c.greet(&config); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("greet Redis: %w", err)
	}
	c.done.Go(c.write)
	c.done.Go(c.read)
	go func() {
		c.done.Wait()
		close(c.ended)
	}()
	return c, nil
}

// TakesCommands reports whether Send can be used: with RESP2 a connection is either for commands or for
// subscriptions.
func (c *Conn) TakesCommands() bool { return c.resp3 }

// Send sends a command whose answer has no elements. It does not block. done gets the answer unless Send
// returns an error: then nothing was sent.
func (c *Conn) Send(cmd *Command, done Receiver) error {
	return c.post(cmd, pending{done: done})
}

// Ask is Send for a goroutine that waits for the answer, as long as ctx lasts.
func (c *Conn) Ask(ctx context.Context, cmd *Command) (string, error) {
	w := make(Waiter, 1)
	if err := c.Send(cmd, w); err != nil {
		return "", err
	}
	return w.Wait(ctx)
}

// Waiter is a Receiver that a goroutine waits for. It is made with room for one answer.
type Waiter chan answer

type answer struct {
	text string
	err  error
}

// Answered implements Receiver.
func (w Waiter) Answered(text string, err error) { w <- answer{text, err} }

// Wait waits for the answer as long as ctx lasts; then it returns the error of ctx. It is for one
// goroutine.
func (w Waiter) Wait(ctx context.Context) (string, error) {
	select {
	case a := <-w:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Subscribe sends a command (SUBSCRIBE or SSUBSCRIBE) for channels that a Cluster keeps together. It
// does not block. The Handler is told of each channel, or else refused, once, on the goroutine that
// reads. With an error nothing was sent, and nobody is told.
func (c *Conn) Subscribe(command string, channels []string, refused func(error)) error {
	return c.order(command, &order{channels: channels, subscribe: true, refused: refused})
}

// Unsubscribe is Subscribe for UNSUBSCRIBE and SUNSUBSCRIBE.
func (c *Conn) Unsubscribe(command string, channels []string, refused func(error)) error {
	return c.order(command, &order{channels: channels, refused: refused})
}

func (c *Conn) order(command string, o *order) error {
	return c.post(&Command{Words: []string{command}, Keys: o.channels}, pending{order: o})
}

// Ended is closed when the connection has ended and all who waited were told.
func (c *Conn) Ended() <-chan struct{} { return c.ended }

// Err is why the connection ended; nil while it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Drain has Send and Subscribe refuse what comes from now on, and waits until what was sent is answered
// or the connection ends, for the time that Redis may owe an answer at most.
func (c *Conn) Drain() {
	c.mu.Lock()
	if !c.draining {
		c.draining, c.drained = true, make(chan struct{})
		c.checkDrained()
	}
	c.mu.Unlock()
	select {
	case <-c.drained:
	case <-c.ended:
	case <-time.After(c.stall):
	}
}

// checkDrained tells Drain that nothing waits for an answer. The lock is held.
func (c *Conn) checkDrained() {
	if c.draining && !c.dry && c.first == len(c.waiting) {
		c.dry = true
		close(c.drained)
	}
}

// Close ends the connection and waits until nothing of it is called any more.
func (c *Conn) Close() {
	c.fail(ErrClosed)
	<-c.ended
}

// fail ends the connection; the first reason stands.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	c.mu.Unlock()
	if first {
		close(c.quit)
		_ = c.conn.Close() // the reader tells who waits
	}
}
