package sessions

import (
	"testing"
	"time"
)

// heardAt is a connection that was heard at a time, and counts who asks.
type heardAt struct {
	Conn
	at    time.Time
	asked int
}

func (c *heardAt) LastPacket() time.Time {
	c.asked++
	return c.at
}

// A socket that is forgotten leaves the others in their places.
func TestForget(t *testing.T) {
	ss := new(Sockets)
	var all []*Socket
	const n = 5000
	for range n {
		all = append(all, ss.Connect(new(heardAt)))
	}
	for i, s := range all {
		if i%7 > 0 || i == n-1 {
			ss.forget(s)
			ss.forget(s) // no other one
		}
	}
	left := map[*Socket]bool{}
	for i, k := range ss.all {
		left[k.Socket] = true
		if k.place != i+1 {
			t.Fatalf("socket %d thinks that it is %d", i+1, k.place)
		}
	}
	for i, s := range all {
		if want := i%7 == 0 && i < n-1; left[s] != want {
			t.Errorf("socket %d is known: %v", i, left[s])
		}
	}
	if ss.Known() != len(left) || cap(ss.all) > 4*len(left) {
		t.Errorf("%d known, of %d, room for %d", ss.Known(), len(left), cap(ss.all))
	}
}

// A sweep looks at the sockets that may be silent, and at no others.
func TestSilentSince(t *testing.T) {
	ss := new(Sockets)
	start := time.Now()
	quiet, busy := &heardAt{at: start}, &heardAt{at: start}
	for _, c := range []*heardAt{quiet, busy} {
		ss.Connect(c).sessions = []*session{nil}
	}
	for i, step := range []struct {
		since, busy time.Duration
		silent      int
		asked       int // of both, so far
	}{
		{-time.Second, 0, 0, 2},
		{0, 0, 0, 2},
		{time.Second, 3 * time.Second, 1, 4},
		{2 * time.Second, 5 * time.Second, 1, 5}, // the busy one was heard later than that
		{4 * time.Second, 5 * time.Second, 1, 7},
		{6 * time.Second, 5 * time.Second, 2, 9},
	} {
		busy.at = start.Add(step.busy)
		silent := ss.silentSince(start.Add(step.since))
		if asked := quiet.asked + busy.asked; len(silent) != step.silent || asked != step.asked {
			t.Errorf("step %d: %d silent, %d looked at so far", i, len(silent), asked)
		}
	}
}
