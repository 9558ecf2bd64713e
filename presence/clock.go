package presence

import "time"

// clock is the engine's time: a node of a simulation has one of its own, that
// can stop while the others go on.
type clock interface {
	Now() time.Time
	// AfterFunc calls f on its own goroutine after d, unless stopped before.
	AfterFunc(d time.Duration, f func()) timer
}

// timer is a call that waits for its time.
type timer interface {
	// Stop reports whether it prevented the call.
	Stop() bool
}

// systemClock is the time package.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) timer { return time.AfterFunc(d, f) }
