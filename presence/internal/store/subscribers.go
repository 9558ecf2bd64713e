package store

import (
	"slices"
	"sync/atomic"
)

// Subscribers are the subscriptions of one channel, for use in stores. A list is never
// changed, only replaced: with the lock of its owner it is taken, and used without.
type Subscribers []*Subscriber

// Subscriber is one Subscription.
type Subscriber struct {
	to     Receiver
	leave  func(*Subscriber)
	closed atomic.Bool
}

// NewSubscriber returns a subscription of a receiver. Its first Close calls leave, which
// takes it out of its list.
func NewSubscriber(to Receiver, leave func(*Subscriber)) *Subscriber {
	return &Subscriber{to: to, leave: leave}
}

// Close implements Subscription.
func (s *Subscriber) Close() {
	if !s.closed.Swap(true) {
		s.leave(s)
	}
}

// With returns the list with one more.
func (l Subscribers) With(s *Subscriber) Subscribers { return append(slices.Clip(l), s) }

// Without returns the list without one.
func (l Subscribers) Without(s *Subscriber) Subscribers {
	return slices.DeleteFunc(slices.Clone(l), func(o *Subscriber) bool { return o == s })
}

// End makes all of them hear nothing any more.
func (l Subscribers) End() {
	for _, s := range l {
		s.closed.Store(true)
	}
}

// HandleEvent hands an event to those that are not closed.
func (l Subscribers) HandleEvent(e *Event) {
	for _, s := range l {
		if !s.closed.Load() {
			s.to.HandleEvent(*e)
		}
	}
}

// HandleCast hands a cast to those that are not closed.
func (l Subscribers) HandleCast(room string, payload []byte) {
	for _, s := range l {
		if !s.closed.Load() {
			s.to.HandleCast(room, payload)
		}
	}
}

// HandleInterrupt tells those that are not closed.
func (l Subscribers) HandleInterrupt(room string, lost bool) {
	for _, s := range l {
		if !s.closed.Load() {
			s.to.HandleInterrupt(room, lost)
		}
	}
}
