package node

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// indexIs fails unless the store has these rooms of a node.
func (p *peer) indexIs(when string, want ...string) {
	p.w.t.Helper()
	rooms := p.w.indexed(p.ID())
	slices.Sort(rooms)
	if !slices.Equal(rooms, want) {
		p.w.t.Errorf("%s: the index has %q, want %q", when, rooms, want)
	}
}

// adds opens a room and adds its entry.
func (p *peer) adds(x *Index, room string) {
	p.w.t.Helper()
	x.Opened(room)
	if err := x.Add(p.ctx, room); err != nil {
		p.w.t.Error(err)
	}
}

// An entry stands from the first write until the room was closed for long.
func TestIndexKeepsRooms(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		p := w.all[0]
		x := NewIndex(p.Node)
		p.adds(x, "r")
		p.adds(x, "s")
		p.indexIs("when rooms are open", "r", "s")
		if lacks, _, err := x.Lacks(p.ctx, "r", p.ID()); lacks || err != nil {
			t.Errorf("an entry that stands: lacks %t, %v", lacks, err)
		}
		if lacks, _, err := x.Lacks(p.ctx, "r", "other id"); !lacks || err != nil {
			t.Errorf("under another id: lacks %t, %v", lacks, err)
		}
		x.Closed("r")
		x.Closed("s")
		time.Sleep(IndexKeeps - time.Nanosecond)
		x.Sweep(p.ctx)
		p.indexIs("before the time is over", "r", "s")
		x.Opened("s")
		time.Sleep(time.Nanosecond)
		p.draining.Store(true)
		x.Sweep(p.ctx)
		p.indexIs("of a node that drains", "r", "s")
		p.draining.Store(false)
		x.Sweep(p.ctx)
		p.indexIs("when the time is over and one was opened again", "s")
		p.adds(x, "r")
		p.indexIs("when the other one was opened again", "r", "s")
	})
}

// A removal without an answer may still take effect: no entry is written before that.
func TestIndexRemovalInDoubt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		p := w.all[0]
		x := NewIndex(p.Node)
		p.adds(x, "r")
		x.Closed("r")
		time.Sleep(IndexKeeps)
		p.link.SetPlan(failOnce("RemoveRoom"))
		x.Sweep(p.ctx)
		p.indexIs("after a removal that failed", "r")
		x.Opened("r")
		if err := x.Add(p.ctx, "r"); err == nil {
			t.Error("an entry was written that the removal may still take away")
		}
		time.Sleep(p.StoreTimeout + time.Millisecond)
		if lacks, _, err := x.Lacks(p.ctx, "r", p.ID()); !lacks || err != nil {
			t.Errorf("when the removal is out of date: lacks %t, %v", lacks, err)
		}
		x.Closed("r")
		time.Sleep(IndexKeeps)
		x.Sweep(p.ctx)
		p.indexIs("after the next removal")
	})
}

// The store lost entries, and has others back: those of open rooms are written again, the
// others removed, and members that stand there as this node's with them.
func TestIndexRepair(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		p := w.all[0]
		x := NewIndex(p.Node)
		p.adds(x, "open")
		p.adds(x, "closed")
		x.Closed("closed")
		lacks, since, err := x.Lacks(p.ctx, "under way", p.ID())
		if !lacks || err != nil {
			t.Errorf("a new room: lacks %t, %v", lacks, err)
		}
		w.forget(p, "open")
		w.forget(p, "closed")
		p.joins("back")
		x.MayBeLost()
		x.Added("under way", p.ID(), since) // before the loss, maybe
		p.link.SetPlan(failAlways("NodeRooms"))
		if x.Repair(p.ctx) == nil {
			t.Error("repaired without the store")
		}
		p.link.SetPlan(failAlways(""))
		if err := x.Repair(p.ctx); err != nil {
			t.Error(err)
		}
		p.indexIs("after the repair", "back", "open", "under way")
		time.Sleep(IndexKeeps)
		x.Sweep(p.ctx)
		p.indexIs("at last", "open", "under way")
		if p.times("back") != 1 || p.times("closed") != 1 || p.times("open") != 0 || w.left(p.ID()) != 0 {
			t.Errorf("reaped: back %d times, closed %d times, open %d times", p.times("back"), p.times("closed"), p.times("open"))
		}
	})
}

// A room that is opened while its members are looked through keeps its entry.
func TestIndexOpenedDuringSweep(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		p := w.all[0]
		x := NewIndex(p.Node)
		p.joins("back")
		if err := x.Repair(p.ctx); err != nil {
			t.Error(err)
		}
		time.Sleep(IndexKeeps)
		p.failing(func(room string) error {
			x.Opened(room)
			return nil
		})
		x.Sweep(p.ctx)
		if p.indexIs("when the room is open", "back"); p.times("back") != 1 {
			t.Errorf("looked through %d times", p.times("back"))
		}
	})
}

// slowRemoval is a store that removes rooms from the index at once, and says so late; or not at all, and
// says that late.
type slowRemoval struct {
	store.Store
	fails bool
}

func (s *slowRemoval) RemoveRoom(ctx context.Context, n store.NodeRoom) (err error) {
	if err = store.ErrUnavailable; !s.fails {
		err = s.Store.RemoveRoom(ctx, n)
	}
	time.Sleep(time.Second)
	return err
}

// A room is opened while its entry is being removed, and closed again before the entry could be
// written again: it is not written, whatever became of the removal.
func TestIndexClosedDuringRepair(t *testing.T) {
	for name, fails := range map[string]bool{"removed": false, "not removed": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				p := w.all[0]
				o := p.Options
				o.Store = &slowRemoval{p.link, fails}
				n := New(o)
				if err := n.Renew(p.ctx); err != nil {
					t.Fatal(err)
				}
				p.work.Go(func() { n.KeepAlive(p.ctx) })
				x := NewIndex(n)
				p.adds(x, "r")
				x.Closed("r")
				time.Sleep(IndexKeeps)
				p.work.Go(func() { x.Sweep(p.ctx) })
				synctest.Wait()
				x.Opened("r")
				x.MayBeLost()
				p.work.Go(func() { _ = x.Repair(p.ctx) }) // which waits for the end of the removal
				synctest.Wait()
				x.Closed("r")
				time.Sleep(2 * p.StoreTimeout)
				if err := x.Repair(p.ctx); err != nil {
					t.Error(err)
				}
				time.Sleep(IndexKeeps)
				o.Store.(*slowRemoval).fails = false
				x.Sweep(p.ctx)
				if rooms := w.indexed(n.ID()); len(rooms) > 0 {
					t.Errorf("the index has %q", rooms)
				}
			})
		})
	}
}
