package largenode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

const (
	// probeStep is the pause between two requests of the probe.
	probeStep = 20 * time.Millisecond
	// probeWait is how long one may take.
	probeWait = 30 * time.Second
)

// probe is two members of one room: the first sends heartbeats and patches, by turns, and the second
// hears of the patches. So it sees whether reading, writing, flushing, rooms or the store stand still.
type probe struct {
	crowd         *crowd
	first, second *member
	// They have the time of the last answer and of the last event.
	answered, told chan time.Time

	answer, event Lateness

	stop chan struct{}
	done sync.WaitGroup
}

// startProbe joins the probe's members and lets it run until close.
func startProbe(ctx context.Context, c *crowd, connect connector) (*probe, error) {
	p := &probe{
		crowd: c, first: c.newMember(len(c.members)), second: c.newMember(len(c.members) + 1),
		answered: make(chan time.Time, 1), told: make(chan time.Time, 1), stop: make(chan struct{}),
	}
	p.first.hear = func(packet client.Packet) {
		if packet.Kind == client.Ack && packet.Ack > 0 { // 0 was the join
			p.answered <- time.Now()
		}
	}
	p.second.hear = func(packet client.Packet) {
		if packet.Kind == client.Event && bytes.Contains(packet.Body, []byte(`"type":"update"`)) {
			p.told <- time.Now()
		}
	}
	if err := c.enter(ctx, connect, p.first, p.second); err != nil {
		return nil, fmt.Errorf("joining the probe: %w", err)
	}
	p.done.Go(func() {
		if err := p.run(); err != nil {
			c.fail(fmt.Errorf("probe: %w", err))
		}
	})
	return p, nil
}

func (p *probe) close() {
	close(p.stop)
	p.done.Wait()
}

// run asks again and again.
func (p *probe) run() error {
	ticker := time.NewTicker(probeStep)
	defer ticker.Stop()
	for n := uint64(1); ; n++ {
		select {
		case <-ticker.C:
		case <-p.stop:
			return nil
		}
		payload := "{}"
		if n%2 == 0 {
			payload = fmt.Sprintf(`{"patchState":{"n":%d}}`, n)
		}
		sent := time.Now()
		frame := client.AppendFrame(nil, ws.OpText, client.AppendEvent(nil, n, "presence:heartbeat", []byte(payload)))
		if err := p.first.feed(frame); err != nil {
			return err
		}
		if err := await(p.answered, &p.answer, sent); err != nil {
			return fmt.Errorf("no answer: %w", err)
		}
		if n%2 > 0 {
			continue
		}
		if err := await(p.told, &p.event, sent); err != nil {
			return fmt.Errorf("no event: %w", err)
		}
	}
}

// await notes how long after sent what is awaited came.
func await(came <-chan time.Time, late *Lateness, sent time.Time) error {
	timer := time.NewTimer(probeWait)
	defer timer.Stop()
	select {
	case at := <-came:
		late.Note(at.Sub(sent))
		return nil
	case <-timer.C:
		return errors.New("it took too long")
	}
}
