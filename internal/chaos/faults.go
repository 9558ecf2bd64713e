//go:build unix

package chaos

import (
	"fmt"
	"syscall"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// faults are all that a whole run does, in this order.
var faults = []fault{
	{name: "subscribers cut", do: cutSubscribers},
	{name: "output buffers full", in: []string{"single"}, do: fillOutputBuffers},
	{name: "client links cut", in: []string{"single"}, do: cutClients},
	{name: "node killed", do: killNode, judging: true, in: []string{"single", "cluster"}},
	{name: "node frozen 10 s", do: freezeNode, judging: true, in: []string{"single"}},
	{name: "two nodes killed", do: killTwo, judging: true, in: []string{"single"}},
	{name: "node cut off from Redis 10 s", do: isolateNode, judging: true, in: []string{"single"}},
	{name: "rolling restart", do: restartNodes, in: []string{"single", "cluster"}},
	{name: "client links dead", do: deadLinks, in: []string{"single"}, limit: time.Minute},
	{name: "Redis slow (150 ms)", do: slowRedis, in: []string{"single"}},
	{name: "Redis links cut", do: cutRedis, in: []string{"single"}},
	{name: "Redis paused 6 s", do: pauseRedis, in: []string{"single"}},
	{name: "Redis unreachable 30 s", do: swallowRedis, in: []string{"single"}},
	{name: "FLUSHALL", do: flush},
	{name: "Redis restarted empty", do: restartEmpty, in: []string{"single"}},
	{name: "Redis restarted, last writes lost", do: restartOld, in: []string{"single"}},
	{name: "failover", do: failover, in: []string{"sentinel", "cluster"}},
	{name: "master killed", do: killMaster, in: []string{"sentinel", "cluster"}},
	{name: "master paused 6 s", do: pauseMaster, in: []string{"sentinel", "cluster"}},
	{name: "slots moved", do: moveSlots, in: []string{"cluster"}},
}

// killNode kills a node like a power failure, and starts another one.
func killNode(w *world) (over, back time.Time, err error) {
	s := w.slots[0]
	over = w.kill(s)
	w.pause(time.Second)
	return over, back, w.startNode(s)
}

// kill kills a slot's node and returns when.
func (w *world) kill(s *slot) time.Time {
	n := s.running()
	s.set(n, false)
	w.truth.nodeEnds(n, 15*time.Second)
	n.kill()
	return time.Now()
}

// killTwo kills two of three nodes, the second when the first may be in the
// course of being reaped by it.
func killTwo(w *world) (over, back time.Time, err error) {
	w.kill(w.slots[0])
	w.pause(leaseTime + 1200*time.Millisecond)
	over = w.kill(w.slots[1])
	w.pause(time.Second)
	if err := w.startNode(w.slots[0]); err != nil {
		return over, back, err
	}
	err = w.startNode(w.slots[1])
	w.steady = time.Now()
	return over, back, err
}

// freezeNode stops a node for longer than its lease and lets it go on.
func freezeNode(w *world) (over, back time.Time, err error) {
	s := w.slots[1]
	n := s.running()
	s.set(n, false)
	w.truth.trouble(n, true)
	from := time.Now()
	n.signal(syscall.SIGSTOP)
	w.pause(10 * time.Second)
	n.signal(syscall.SIGCONT)
	over = time.Now()
	w.truth.silence(n, from, over)
	s.set(n, true)
	return over, back, nil
}

// isolateNode lets one node not reach Redis for longer than its lease.
func isolateNode(w *world) (over, back time.Time, err error) {
	from := time.Now()
	w.store.doors[2].Swallow(1, 1)
	w.pause(10 * time.Second)
	w.store.doors[2].Heal()
	over = time.Now()
	w.truth.silence(w.slots[2].running(), from, over)
	return over, over, nil
}

// restartNodes stops and starts one node after the other, as a deploy does.
func restartNodes(w *world) (over, back time.Time, err error) {
	for _, s := range w.slots {
		n := s.running()
		s.set(n, false)
		w.truth.nodeEnds(n, 15*time.Second)
		n.signal(syscall.SIGTERM)
		if err := n.wait(); err != nil {
			return over, back, err
		}
		if err := w.startNode(s); err != nil {
			return over, back, err
		}
		w.pause(time.Second)
	}
	w.steady = time.Now()
	return time.Now(), back, nil
}

// cutClients resets a third of all client connections, three times.
func cutClients(w *world) (over, back time.Time, err error) {
	w.lossy.Store(true)
	for range 3 {
		for _, s := range w.slots {
			s.door.CutSome(1, 3)
		}
		w.pause(700 * time.Millisecond)
	}
	return time.Now(), back, nil
}

// deadLinks lets a quarter of all client connections carry nothing any more.
// Clients notice after 5 s; the nodes when the connections are silent for too long.
func deadLinks(w *world) (over, back time.Time, err error) {
	w.lossy.Store(true)
	w.patience.Store(int64(5 * time.Second))
	for _, s := range w.slots {
		s.door.Swallow(1, 4)
	}
	over = time.Now()
	w.pause(8 * time.Second)
	return over, back, nil
}

// slowRedis delays every piece in each direction.
func slowRedis(w *world) (over, back time.Time, err error) {
	w.setDelay(150 * time.Millisecond)
	w.pause(6 * time.Second)
	w.setDelay(0)
	return time.Now(), back, nil
}

func (w *world) setDelay(d time.Duration) {
	for _, p := range w.store.doors {
		p.Delay(d)
	}
}

// cutRedis resets all connections to Redis a few times.
func cutRedis(w *world) (over, back time.Time, err error) {
	for range 4 {
		for _, p := range w.store.doors {
			p.CutAll()
		}
		w.pause(800 * time.Millisecond)
	}
	w.steady = time.Now()
	return w.steady, back, nil
}

// pauseRedis freezes the Redis process.
func pauseRedis(w *world) (over, back time.Time, err error) {
	if err := w.store.single.Pause(); err != nil {
		return over, back, err
	}
	w.pause(6 * time.Second)
	err = w.store.single.Resume()
	w.steady = time.Now()
	return w.steady, w.steady, err
}

// swallowRedis lets nothing through to Redis, and nothing back.
func swallowRedis(w *world) (over, back time.Time, err error) {
	for _, p := range w.store.doors {
		p.Swallow(1, 1)
	}
	w.pause(30 * time.Second)
	for _, p := range w.store.doors {
		p.Heal()
	}
	w.steady = time.Now()
	return w.steady, w.steady, nil
}

// restartEmpty kills Redis and starts it without data.
func restartEmpty(w *world) (over, back time.Time, err error) {
	w.store.single.Stop()
	w.pause(time.Second)
	err = w.store.single.StartEmpty()
	w.steady = time.Now()
	return w.steady, w.steady, err
}

// restartOld kills Redis and starts it with what it had saved before the last
// writes.
func restartOld(w *world) (over, back time.Time, err error) {
	if err := w.store.single.Save(); err != nil {
		return over, back, err
	}
	w.pause(1500 * time.Millisecond)
	w.store.single.Stop()
	w.pause(500 * time.Millisecond)
	err = w.store.single.StartWithData()
	w.steady = time.Now()
	return w.steady, w.steady, err
}

// flush empties every master.
func flush(w *world) (over, back time.Time, err error) {
	err = w.eachMaster(func(s *redistest.Server) error {
		_, err := s.Do("FLUSHALL")
		return err
	})
	return time.Now(), back, err
}

// cutSubscribers has Redis close the connections that nodes hear events on.
func cutSubscribers(w *world) (over, back time.Time, err error) {
	for range 2 {
		err = w.eachMaster(func(s *redistest.Server) error {
			_, err := s.KillSubscribers()
			return err
		})
		w.pause(700 * time.Millisecond)
	}
	return time.Now(), back, err
}

func (w *world) eachMaster(f func(*redistest.Server) error) error {
	masters, err := w.store.masters()
	if err != nil {
		return err
	}
	for _, m := range masters {
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// fillOutputBuffers has Redis close the connections that nodes hear events on
// because more is on its way than may be.
func fillOutputBuffers(w *world) (over, back time.Time, err error) {
	const setting = "client-output-buffer-limit"
	before, err := w.subscribers()
	if err != nil {
		return over, back, err
	}
	if _, err := w.store.single.Do("CONFIG", "SET", setting, "pubsub 1 0 0"); err != nil {
		return over, back, err
	}
	w.stateSize.Store(8000)
	closed := false
	for end := time.Now().Add(10 * time.Second); !closed && time.Now().Before(end); {
		w.pause(100 * time.Millisecond)
		now, err := w.subscribers()
		if err != nil {
			return over, back, err
		}
		for id := range before {
			closed = closed || !now[id]
		}
	}
	w.stateSize.Store(0)
	_, err = w.store.single.Do("CONFIG", "SET", setting, "pubsub 32mb 8mb 60")
	if err == nil && !closed {
		err = fmt.Errorf("no subscriber's output buffer came to be full")
	}
	return time.Now(), back, err
}
