package fold

import "time"

const (
	// freeRate is how many deliveries per second, changes times listeners, a room makes one by one.
	freeRate = 10_000
	// burst is for how many seconds of them it makes at once.
	burst = 0.1
	// minTick is the shortest tick.
	minTick = 20 * time.Millisecond
	// deliveryRate is for how many deliveries per second a tick lasts a second, and messageRate how many
	// messages per second a room sends, one to each listener at each tick.
	deliveryRate = 12_500_000
	messageRate  = 12_500
)

// Pace says whether the changes of a room are told at once. Its zero value has told none.
type Pace struct {
	FreeRate int           // deliveries per second that are made one by one; 0: 10 000, negative: none
	MinTick  time.Duration // the shortest tick; 0: 20 ms
	spent    float64       // deliveries above the free rate, as of at
	at       time.Time     // zero: never
	// Since the last tick, or the change before the first.
	begun   time.Time
	changes int
}

// Changes notes n changes for so many listeners, and reports whether they are told at once. If not,
// they are to be gathered.
func (p *Pace) Changes(now time.Time, n, listeners int) bool {
	p.settle(now)
	if p.changes == 0 {
		p.begun = now
	}
	p.changes += n
	if p.spent >= burst*p.free() {
		return false
	}
	p.spend(listeners)
	return true
}

// Tick is for how long changes are to be gathered from now on, at most most: longer the more listeners
// there are, each of whom gets a message, and the more deliveries there were by the changes since the last
// tick. The shortest is 20 ms.
func (p *Pace) Tick(now time.Time, listeners int, most time.Duration) time.Duration {
	least := p.MinTick
	if least == 0 {
		least = minTick
	}
	passed := max(now.Sub(p.begun), least)
	rate := float64(p.changes*listeners) / passed.Seconds()
	p.changes = 0
	byRate := time.Duration(rate / deliveryRate * float64(time.Second))
	byMessages := time.Duration(listeners) * (time.Second / messageRate)
	return min(max(least, byRate, byMessages), most)
}

// Ticked notes that what was gathered was told to so many listeners, in one message each.
func (p *Pace) Ticked(now time.Time, listeners int) {
	p.settle(now)
	p.spend(listeners)
}

// spend never notes more than a moment pays for: what is over must not hold up what comes after it.
func (p *Pace) spend(deliveries int) {
	p.spent = min(p.spent+float64(deliveries), 2*burst*p.free())
}

func (p *Pace) free() float64 {
	if p.FreeRate == 0 {
		return freeRate
	}
	return float64(max(p.FreeRate, 0))
}

// settle forgets what time has paid for.
func (p *Pace) settle(now time.Time) {
	if passed := now.Sub(p.at); passed > 0 {
		p.spent = max(0, p.spent-p.free()*passed.Seconds())
		p.at = now
	}
}
