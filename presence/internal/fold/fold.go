package fold

import (
	"slices"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Item is what is told of a member: one change of it, or several that were made one.
type Item struct {
	wire.Shown
	// base is the state that the item replaces, as everybody who is told has it; nil: some may have
	// another one.
	base  []byte
	first int64 // the seq of the first change in it
}

// Fold gathers changes. Its zero value has none. Items stand in the order of their last change.
type Fold struct {
	items []*Item          // nil where one moved on or was dropped
	open  map[string]*spot // by connId: the item that the next change of it goes into
	seq   int64            // of the last change
	empty int              // how many of items are nil
}

// spot is an item and its place.
type spot struct {
	*Item
	at int
}

// Len is how many items there are.
func (f *Fold) Len() int { return len(f.items) - f.empty }

// Seq is the seq that a client is at that was told all of it; 0 if there was no change.
func (f *Fold) Seq() int64 { return f.seq }

// Add takes the next change. given is the highest seq at which a client was given members of the room,
// or some of them: what such a client was shown must be told to end, although nobody else has seen it.
func (f *Fold) Add(c *replica.Change, given int64) {
	f.seq = c.Seq
	next := &Item{Shown: c.Shown, first: c.Seq}
	if c.Type == wire.EventUpdate {
		next.base = c.Base
	}
	before := f.open[c.ConnID]
	if before == nil {
		f.add(next)
		return
	}
	seen := given >= before.first // some client has it in between
	f.items[before.at] = nil
	f.empty++
	delete(f.open, c.ConnID)
	switch {
	case c.Type != wire.EventLeave:
		next.continues(before.Item, seen)
	case before.Type == wire.EventJoin && before.Fresh && !seen:
		return // it came and went
	}
	f.add(next)
}

// continues makes an item that of both changes.
func (i *Item) continues(before *Item, seen bool) {
	i.first = before.first
	if before.Type == wire.EventJoin || i.Type == wire.EventJoin {
		i.Type, i.base = wire.EventJoin, nil
		i.Fresh = before.Type == wire.EventJoin && before.Fresh
		return
	}
	switch {
	case i.base == nil || before.base == nil:
		i.base = nil
	case !seen || string(i.base) == string(i.State):
		i.base = before.base
	case string(before.base) != string(i.base):
		i.base = nil // a client that was given the state in between does not have the base
	}
}

// add appends an item.
func (f *Fold) add(i *Item) {
	if f.empty > len(f.items)/2 && f.empty > 16 {
		f.compact()
	}
	f.items = append(f.items, i)
	if i.Type == wire.EventLeave {
		return // what comes after it is another life, told apart
	}
	if f.open == nil {
		f.open = make(map[string]*spot)
	}
	f.open[i.ConnID] = &spot{i, len(f.items) - 1}
}

func (f *Fold) compact() {
	f.items = slices.DeleteFunc(f.items, func(i *Item) bool { return i == nil })
	f.empty = 0
	for at, i := range f.items {
		if s := f.open[i.ConnID]; s != nil && s.Item == i {
			s.at = at
		}
	}
}

// Take returns the items, in order, and begins again with none.
func (f *Fold) Take() []*Item {
	if f.empty > 0 {
		f.compact()
	}
	items := f.items
	*f = Fold{}
	return items
}

// Text is how the state of the item is told, as a delta where the client takes those and knows what it
// is from. The slices of buf are reused.
func (i *Item) Text(deltas bool, buf *wire.StateText) wire.StateText {
	switch {
	case i.Type == wire.EventLeave:
		return wire.StateText{}
	case i.base != nil && string(i.base) == string(i.State):
		return wire.StateText{} // only the status changed
	case i.base == nil || !deltas:
		return wire.StateText{Whole: i.State}
	}
	patch, removed, err := jsontext.Diff(buf.Patch[:0], buf.Removed[:0], i.base, i.State)
	if err != nil { // it is checked text, so this does not happen
		return wire.StateText{Whole: i.State}
	}
	buf.Patch, buf.Removed = patch, removed
	text := wire.StateText{Patch: patch, Removed: removed}
	if len(patch) == len("{}") {
		text.Patch = nil
	}
	if len(removed) == 0 {
		text.Removed = nil
	}
	return text
}
