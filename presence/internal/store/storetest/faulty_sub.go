package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Subscribe implements store.Store.
func (f *Faulty) Subscribe(ctx context.Context, room string, r store.Receiver) (store.Subscription, error) {
	return f.subscribe(ctx, Call{"Subscribe", room, ""}, r, func(ctx context.Context, r store.Receiver) (store.Subscription, error) {
		return f.Backend.Subscribe(ctx, room, r)
	})
}

// SubscribeNodes implements store.Store.
func (f *Faulty) SubscribeNodes(ctx context.Context, r store.Receiver) (store.Subscription, error) {
	return f.subscribe(ctx, Call{"SubscribeNodes", "", ""}, r, f.Backend.SubscribeNodes)
}

// Interrupt tells every subscription that it was lost and is in place again,
// after all that is held back, and that the records lost writes, if so.
func (f *Faulty) Interrupt(lost bool) { f.InterruptSome(lost, func(string) bool { return true }) }

// InterruptSome is Interrupt for the subscriptions of some rooms, as when one
// server of several fails over. The room of the channel of all nodes is "".
func (f *Faulty) InterruptSome(lost bool, match func(room string) bool) {
	f.mu.Lock()
	subs := make([]*faultySub, 0, len(f.subs))
	for s := range f.subs {
		if match(s.room) {
			subs = append(subs, s)
		}
	}
	f.mu.Unlock()
	for _, s := range subs {
		s.HandleInterrupt(s.room, lost)
	}
}

func (f *Faulty) subscribe(ctx context.Context, c Call, r store.Receiver,
	open func(context.Context, store.Receiver) (store.Subscription, error)) (store.Subscription, error) {
	return do(ctx, f, c, func(ctx context.Context) (store.Subscription, error) {
		s := &faultySub{f: f, room: c.Room, to: r}
		sub, err := open(ctx, s)
		if err != nil {
			return nil, err
		}
		s.sub = sub
		f.mu.Lock()
		f.subs[s] = struct{}{}
		f.mu.Unlock()
		return s, nil
	})
}

// faultySub stands between a subscription and its receiver.
type faultySub struct {
	f    *Faulty
	room string
	to   store.Receiver
	sub  store.Subscription

	mu     sync.Mutex
	queue  []held
	busy   bool
	closed bool
}

type held struct {
	delay time.Duration
	hand  func()
}

// Close implements store.Subscription.
func (s *faultySub) Close() {
	s.sub.Close()
	s.mu.Lock()
	s.closed, s.queue = true, nil
	s.mu.Unlock()
	s.f.mu.Lock()
	delete(s.f.subs, s)
	s.f.mu.Unlock()
}

// HandleEvent implements store.Receiver.
func (s *faultySub) HandleEvent(e store.Event) {
	s.deliver(s.decide(), func() { s.to.HandleEvent(e) })
}

// HandleCast implements store.Receiver.
func (s *faultySub) HandleCast(room string, payload []byte) {
	s.deliver(s.decide(), func() { s.to.HandleCast(room, payload) })
}

// HandleInterrupt implements store.Receiver.
func (s *faultySub) HandleInterrupt(room string, lost bool) {
	s.deliver(Delivery{}, func() { s.to.HandleInterrupt(room, lost) })
}

func (s *faultySub) decide() Delivery {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.plan.Deliver == nil {
		return Delivery{}
	}
	return s.f.plan.Deliver(s.room)
}

// deliver hands something out after all that came before it: here and now when
// nothing is held, else on a goroutine that ends with the queue.
func (s *faultySub) deliver(d Delivery, hand func()) {
	if d.Drop {
		return
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.queue = append(s.queue, held{d.Delay, hand})
	if s.busy {
		s.mu.Unlock()
		return
	}
	s.busy = true
	s.mu.Unlock()
	if d.Delay == 0 && !s.f.Frozen() {
		s.drain(context.Background(), false)
		return
	}
	s.f.after(0, func(context.Context) { s.drain(s.f.life, true) })
}

// drain empties the queue. Where it may not wait, it leaves a delay to a goroutine.
func (s *faultySub) drain(ctx context.Context, mayWait bool) {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || ctx.Err() != nil {
			s.busy = false
			s.mu.Unlock()
			return
		}
		h := s.queue[0]
		if (h.delay > 0 || s.f.Frozen()) && !mayWait {
			s.mu.Unlock()
			s.f.after(0, func(context.Context) { s.drain(s.f.life, true) })
			return
		}
		s.queue = s.queue[1:]
		s.mu.Unlock()
		if h.delay > 0 {
			select {
			case <-time.After(h.delay):
			case <-ctx.Done():
				continue
			}
		}
		if mayWait && s.f.Wait() && !s.isClosed() || !mayWait && !s.isClosed() {
			h.hand()
		}
	}
}

func (s *faultySub) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
