package engineio

import (
	"sync"
	"time"
)

// alarms is a timer queue: it calls the tick of each session when it is due. One timer
// of the runtime for each session would take ten times the memory.
type alarms struct {
	mu   sync.Mutex
	heap []alarm       // the first is the earliest; each but the first is not earlier than its parent
	wake chan struct{} // has a token when another alarm is now the earliest
}

// alarm is when to call a session, which knows its place in the heap.
type alarm struct {
	at time.Duration // on the server's clock
	s  *Session
}

func newAlarms() *alarms { return &alarms{wake: make(chan struct{}, 1)} }

// set sets when the session's alarm rings. It replaces an earlier setting.
func (a *alarms) set(s *Session, at time.Duration) {
	a.mu.Lock()
	i := int(s.alarm) - 1
	if i < 0 {
		i = len(a.heap)
		a.heap = append(a.heap, alarm{})
	}
	a.fix(i, alarm{at, s})
	first := s.alarm == 1
	a.mu.Unlock()
	if first {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// remove cancels the session's alarm.
func (a *alarms) remove(s *Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := int(s.alarm) - 1; i >= 0 {
		a.take(i)
	}
}

// take takes an alarm out of the heap.
func (a *alarms) take(i int) {
	last := len(a.heap) - 1
	moved := a.heap[last]
	a.heap[i].s.alarm = 0
	a.heap[last] = alarm{}
	a.heap = a.heap[:last]
	if i < last {
		a.fix(i, moved)
	}
	if c := cap(a.heap); c > 1024 && last < c/4 {
		a.heap = append(make([]alarm, 0, c/2), a.heap...)
	}
}

// fix puts an alarm where it belongs, place i being free.
func (a *alarms) fix(i int, x alarm) {
	for i > 0 {
		parent := (i - 1) / 2
		if a.heap[parent].at <= x.at {
			break
		}
		a.place(i, a.heap[parent])
		i = parent
	}
	for {
		child := 2*i + 1
		if child+1 < len(a.heap) && a.heap[child+1].at < a.heap[child].at {
			child++
		}
		if child >= len(a.heap) || a.heap[child].at >= x.at {
			break
		}
		a.place(i, a.heap[child])
		i = child
	}
	a.place(i, x)
}

func (a *alarms) place(i int, x alarm) {
	a.heap[i] = x
	x.s.alarm = int32(i + 1)
}

// next takes the earliest session whose time has come; if there is none, it
// says when that of the earliest comes, if there is one.
func (a *alarms) next(now time.Duration) (s *Session, at time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heap) == 0 {
		return nil, 0, false
	}
	if at = a.heap[0].at; at > now {
		return nil, at, true
	}
	s = a.heap[0].s
	a.take(0)
	return s, at, true
}

// run rings until stop is closed: no session is left then.
func (a *alarms) run(now func() time.Duration, stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s, at, ok := a.next(now())
		if s != nil {
			s.tick()
			continue
		}
		if ok {
			timer.Reset(at - now())
		}
		select {
		case <-timer.C:
		case <-a.wake:
		case <-stop:
			return
		}
	}
}
