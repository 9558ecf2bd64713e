//go:build unix

package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// replaceTime bounds a failover.
const replaceTime = 30 * time.Second

// subscribers lists the ids of Redis' connections that are subscribed to
// something.
func (w *world) subscribers() (map[string]bool, error) {
	list, err := w.store.single.Do("CLIENT", "LIST", "TYPE", "pubsub")
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool)
	for line := range strings.Lines(strings.Join(list, "")) {
		id, _, _ := strings.Cut(line, " ")
		ids[id] = true
	}
	return ids, nil
}

// failover has a replica take a master's place while both run.
func failover(w *world) (over, back time.Time, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, replaceTime)
	defer cancel()
	if w.store.sentinel != nil {
		_, err = w.store.sentinel.Failover(ctx)
	} else {
		master, merr := w.store.victim()
		if merr != nil {
			return over, back, merr
		}
		_, err = w.store.cluster.Failover(ctx, master)
	}
	w.steady = time.Now()
	return w.steady, back, err
}

// victim is the master that faults of a cluster happen to: that of the nodes'
// life signs.
func (b *backend) victim() (*redistest.Server, error) { return b.master("prs:1:nodes") }

// killMaster kills a master, which a replica replaces, and starts it again.
func killMaster(w *world) (over, back time.Time, err error) {
	master, err := w.store.victim()
	if err != nil {
		return over, back, err
	}
	master.Stop()
	if err := w.replaced(master); err != nil {
		return over, back, err
	}
	w.steady = time.Now()
	w.after = func() error { return w.revive(master.StartEmpty) }
	return w.steady, w.steady, nil
}

// pauseMaster freezes a master for long enough to be replaced.
func pauseMaster(w *world) (over, back time.Time, err error) {
	master, err := w.store.victim()
	if err != nil {
		return over, back, err
	}
	if err := master.Pause(); err != nil {
		return over, back, err
	}
	w.pause(6 * time.Second)
	if err := w.replaced(master); err != nil {
		return over, back, err
	}
	w.steady = time.Now()
	w.after = func() error { return w.revive(master.Resume) }
	return w.steady, w.steady, nil
}

// replaced waits until another server is the master.
func (w *world) replaced(old *redistest.Server) error {
	ctx, cancel := context.WithTimeout(w.ctx, replaceTime)
	defer cancel()
	if w.store.sentinel != nil {
		_, err := w.store.sentinel.Promoted(ctx, old)
		return err
	}
	return w.store.cluster.Await(ctx)
}

// revive brings a server back that was replaced.
func (w *world) revive(how func() error) error {
	if err := how(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.ctx, replaceTime)
	defer cancel()
	if w.store.sentinel != nil {
		return w.store.sentinel.Await(ctx)
	}
	return w.store.cluster.Await(ctx)
}

// movedSlots is how many rooms' slots moveSlots moves.
const movedSlots = 8

// moveSlots hands slots of rooms to other masters while they are in use.
func moveSlots(w *world) (over, back time.Time, err error) {
	masters, err := w.store.cluster.Masters()
	if err != nil {
		return over, back, err
	}
	for i := range min(movedSlots, len(w.rooms)) {
		slot := redistest.Slot(roomKey(w.rooms[i]))
		from, err := w.store.cluster.MasterOf(slot)
		if err != nil {
			return over, back, err
		}
		to := masters[i%len(masters)]
		if to == from {
			to = masters[(i+1)%len(masters)]
		}
		if err := w.moveSlot(slot, from, to); err != nil {
			return over, back, fmt.Errorf("moving slot %d: %w", slot, err)
		}
	}
	return time.Now(), back, nil
}

// moveSlot moves one, with time for clients to use it at each step.
func (w *world) moveSlot(slot int, from, to *redistest.Server) error {
	const step = 100 * time.Millisecond
	if err := w.store.cluster.OpenSlot(slot, from, to); err != nil {
		return err
	}
	for n := 1; n > 0; {
		w.pause(step)
		var err error
		if n, err = w.store.cluster.MoveKeys(slot, from, to, 1); err != nil {
			return err
		}
	}
	return w.store.cluster.CloseSlot(slot, from, to)
}
