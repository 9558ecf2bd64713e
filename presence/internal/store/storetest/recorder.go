package storetest

import (
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// recorder is a receiver that hands what it gets to the test.
type recorder struct {
	sub   store.Subscription
	got   chan delivery
	calls atomic.Int32 // under way: more than one is a fault
	fault atomic.Bool

	// A new subscription may still be given what was published before it:
	// everything up to a cast of its own is left out.
	start   string
	started chan struct{}
	open    bool
}

// flushPrefix begins the casts that only start a recorder.
const flushPrefix = "flush "

type delivery struct {
	event     *store.Event
	cast      string
	castRoom  string
	interrupt bool
}

// newRecorder returns one that records from the first delivery on.
func newRecorder() *recorder {
	return &recorder{got: make(chan delivery, 100_000), started: make(chan struct{}), open: true}
}

func (r *recorder) take(d delivery) {
	if r.calls.Add(1) != 1 {
		r.fault.Store(true)
	}
	switch {
	case strings.HasPrefix(d.cast, flushPrefix):
		if d.cast == r.start && !r.open {
			r.open = true
			close(r.started)
		}
	case r.open:
		r.got <- d
	}
	r.calls.Add(-1)
}

func (r *recorder) HandleEvent(e store.Event) { r.take(delivery{event: &e}) }
func (r *recorder) HandleCast(room string, p []byte) {
	r.take(delivery{cast: string(p), castRoom: room})
}
func (r *recorder) HandleInterrupt(string, bool) { r.take(delivery{interrupt: true}) }

// subscribe opens a subscription, and leaves out what was published before.
func (s *suite) subscribe(room string) *recorder {
	s.Helper()
	r := newRecorder()
	r.start, r.open = flushPrefix+strconv.FormatInt(castCount.Add(1), 10), false
	sub, err := s.b.Subscribe(s.ctx, room, r)
	s.must(err)
	r.sub = sub
	s.must(s.b.Publish(s.ctx, room, []byte(r.start)))
	select {
	case <-r.started:
	case <-time.After(patience):
		s.Fatal("the subscription is deaf")
	}
	return r
}

func (s *suite) next(r *recorder) delivery {
	s.Helper()
	select {
	case d := <-r.got:
		if r.fault.Load() {
			s.Error("receiver called twice at the same time")
		}
		return d
	case <-time.After(patience):
		s.Fatal("nothing was delivered")
		return delivery{}
	}
}

// event waits for the next delivery, which must be an event.
func (s *suite) event(r *recorder) store.Event {
	s.Helper()
	d := s.next(r)
	if d.event == nil {
		s.Fatalf("got %+v, want an event", d)
	}
	return *d.event
}

var castCount atomic.Int64

// quiet fails if anything was published in the room that the recorder has not
// handed out: a cast of our own arrives next.
func (s *suite) quiet(r *recorder, room string) {
	s.Helper()
	mark := "quiet " + strconv.FormatInt(castCount.Add(1), 10)
	s.must(s.b.Publish(s.ctx, room, []byte(mark)))
	d := s.next(r)
	if d.event != nil {
		s.Fatalf("unexpected event %+v", *d.event)
	}
	if d.cast != mark {
		s.Fatalf("got %+v, want the cast %q", d, mark)
	}
}

// same fails unless two values are equal in depth.
func same[T any](s *suite, got, want T) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}
