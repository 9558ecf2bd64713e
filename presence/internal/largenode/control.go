package largenode

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/rawio"
)

// bare is the members' connections without a server: each has a goroutine that reads, and one more sends
// the pings.
type bare struct {
	crowd   *crowd
	buffers sync.Pool // of *[]byte
	stop    chan struct{}
	done    sync.WaitGroup
}

// pingStep is how often the pings that are due are sent.
const pingStep = time.Millisecond

func startBare(c *crowd) *bare {
	b := &bare{crowd: c, stop: make(chan struct{})}
	b.buffers.New = func() any {
		buf := make([]byte, 8<<10)
		return &buf
	}
	for _, m := range c.members {
		m.state = joined
		b.done.Go(func() { b.read(rawio.Of(m.conn)) })
	}
	first := c.now()
	for i, m := range c.members { // as if its last ping had come in its turn
		m.heard = first - c.interval + c.interval*time.Duration(i)/time.Duration(len(c.members))
	}
	b.done.Go(func() { b.ping(first) })
	return b
}

// read reads until the connection ends.
func (b *bare) read(conn rawio.Conn) {
	_ = conn.Read(func(fd uintptr) bool {
		buf := b.buffers.Get().(*[]byte)
		defer b.buffers.Put(buf)
		_, err := conn.TryRead(fd, *buf)
		return err != nil
	})
}

// ping sends each connection a ping in each interval from first on.
func (b *bare) ping(first time.Duration) {
	ticker := time.NewTicker(pingStep)
	defer ticker.Stop()
	members := b.crowd.members
	var w rawio.Writer
	for sent := 0; ; {
		select {
		case <-ticker.C:
		case <-b.stop:
			return
		}
		due := int(float64(b.crowd.now()-first) / float64(b.crowd.interval) * float64(len(members)))
		for ; sent < due; sent++ {
			if _, err := w.Try(rawio.Of(members[sent%len(members)].conn), ping); err != nil {
				b.crowd.fail(fmt.Errorf("bare ping: %w", err))
				return
			}
		}
	}
}

func (b *bare) close() {
	close(b.stop)
	for _, m := range b.crowd.members {
		m.conn.HangUp()
	}
	b.done.Wait()
}

// Control runs the far ends and connections without a server.
func Control(ctx context.Context, s Spec) (*Report, error) {
	r := new(Report)
	var err error
	if r.Empty, err = readMemory(); err != nil {
		return nil, err
	}
	c := newCrowd(s.Members, 0, s.Ping)
	if r.Ends, err = readMemory(); err != nil {
		return nil, err
	}
	loop := startControlLoop()
	defer loop.close()
	b := startBare(c)
	defer b.close()
	m := &meter{crowd: c, control: loop}
	if r.Idle, err = m.span(ctx, s.Window); err != nil {
		return nil, err
	}
	if r.Full, err = readMemory(); err != nil {
		return nil, err
	}
	return r, c.err()
}
