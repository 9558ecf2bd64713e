package rooms

import (
	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/fold"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// audience are the listeners of a room that take changes together. The room's lock guards it.
type audience struct {
	room *Room
	// whole take states, deltas what changed in them.
	whole, deltas []*Listener
	fold          fold.Fold
	pace          fold.Pace
	told          int64       // the seq of what they were told last
	tick          clock.Timer // ends the gathering; nil: nothing is gathered
}

func (a *audience) size() int { return len(a.whole) + len(a.deltas) }

// take takes changes that clients see. They are told at once, or gathered.
func (a *audience) take(changes []*replica.Change) {
	r := a.room
	for _, c := range changes {
		a.fold.Add(c, r.given)
	}
	at := r.all.Clock.Now()
	few := a.pace.Changes(at, len(changes), a.size())
	switch {
	case a.tick != nil:
	case few:
		a.tell()
	default:
		a.tick = r.all.Clock.AfterFunc(a.pace.Tick(at, a.size(), r.all.MaxTick), func() {
			r.Mu.Lock()
			defer r.Mu.Unlock()
			if a.tick != nil {
				a.tick = nil
				a.tell()
				a.pace.Ticked(r.all.Clock.Now(), a.size())
			}
		})
	}
}

// close ends the gathering: nobody listens any more.
func (a *audience) close() {
	if a.tick != nil {
		a.tick.Stop()
		a.tick = nil
	}
}

// tell tells what was gathered.
func (a *audience) tell() {
	seq := a.fold.Seq()
	items := a.fold.Take()
	if len(items) == 0 {
		return // what came has gone; what they were told last is still true
	}
	a.send(items, seq, a.whole, false)
	a.send(items, seq, a.deltas, true)
	a.told = seq
}

// send makes the messages for some listeners, and delivers them.
func (a *audience) send(items []*fold.Item, seq int64, to []*Listener, deltas bool) {
	if len(to) == 0 {
		return
	}
	r, prev := a.room, a.told
	t := r.all.Texts.Get(SmallText)
	defer r.all.Texts.Put(t)
	body := r.all.Texts.Get(SmallText)
	defer r.all.Texts.Put(body)
	var buf wire.StateText
	total := r.Rep.Total()
	deliver := func(upTo int64) {
		var change series.Change
		t.B, change = wire.AppendBatch(t.B[:0], &wire.Batch{
			RoomID: r.ID, Seq: upTo, Prev: prev, TimeMs: r.all.StoreNow(), Total: total,
		})
		t.B = wire.AppendBatchEnd(append(t.B, body.B...))
		f := r.all.Encode(t.B, change)
		for _, l := range to {
			l.To.Deliver(f)
		}
		prev, body.B = upTo, body.B[:0]
	}
	for n, i := range items {
		i.UserConns = r.Rep.Conns(i.UserID)
		begin := len(body.B)
		if begin > 0 {
			body.B = append(body.B, ',')
		}
		body.B = wire.AppendItem(body.B, &i.Shown, i.Text(deltas, &buf))
		if begin > 0 && len(body.B) > wire.MaxBatch {
			last := append([]byte(nil), body.B[begin+1:]...)
			body.B = body.B[:begin]
			deliver(items[n-1].Seq)
			body.B = append(body.B, last...)
		}
	}
	deliver(seq)
}
