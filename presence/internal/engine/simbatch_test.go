package engine

import (
	"encoding/json"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// wireTotal is how many are in a room.
type wireTotal struct {
	Members int `json:"members"`
	Users   int `json:"users"`
}

// wireItem is an item of presence:events.
type wireItem struct {
	wireEvent
	Patch   json.RawMessage `json:"patch"`
	Removed json.RawMessage `json:"removed"`
}

// wireBatch is presence:events as a client decodes it.
type wireBatch struct {
	RoomID string     `json:"roomId"`
	Seq    int64      `json:"seq"`
	Prev   int64      `json:"prev"`
	Ts     int64      `json:"ts"`
	Total  wireTotal  `json:"total"`
	Events []wireItem `json:"events"`
}

func (c *client) deliverBatch(f textFrame) {
	var message struct {
		name  string
		batch wireBatch
	}
	if err := json.Unmarshal([]byte(f), &[]any{&message.name, &message.batch}); err != nil {
		c.w.t.Errorf("%s: events %s: %v", c.name, f, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches++
	c.largest = max(c.largest, len(f))
	c.applyBatch(&message.batch, string(f))
}

// applyBatch is what the protocol asks of a client that takes changes together, without the leniency.
func (c *client) applyBatch(b *wireBatch, text string) {
	r := c.rooms[b.RoomID]
	switch {
	case r == nil:
		c.w.t.Errorf("%s: %s before the ack of a join, or after a leave", c.name, text)
		return
	case b.Seq <= r.seq:
		return // the answer to the join had all of it
	case b.Prev > r.seq:
		c.w.t.Errorf("%s: %s has prev above %d: a gap", c.name, text, r.seq)
	case len(b.Events) == 0:
		c.w.t.Errorf("%s: %s has no events", c.name, text)
	}
	before, last := r.seq, int64(0)
	r.seq = b.Seq
	var applied []wireEvent
	for i := range b.Events {
		e := &b.Events[i]
		e.RoomID = b.RoomID
		if e.Seq <= last || e.Seq > b.Seq {
			c.w.t.Errorf("%s: %s: an item has seq %d behind %d", c.name, text, e.Seq, last)
		}
		last = e.Seq
		if e.Seq <= before || e.Seq <= r.paged[e.ConnID] {
			continue
		}
		if c.applyItem(r, e, text) {
			applied = append(applied, e.wireEvent)
		}
	}
	if !r.part && len(text) < wire.MaxBatch/2 { // else it may be the first of several
		c.checkCounts(r, b, text)
	}
	for _, e := range applied {
		c.log = append(c.log, e)
		if c.watch != nil {
			c.watch(e)
		}
	}
}

// applyOwn takes the one kind of event that such a client is told alone.
func (c *client) applyOwn(e wireEvent) {
	r := c.rooms[e.RoomID]
	if r == nil || e.Type != "leave" {
		c.w.t.Errorf("%s, who takes changes together, is told %v alone", c.name, e)
		return
	}
	delete(r.members, e.ConnID)
}

// applyItem reports whether the item means something to the client.
func (c *client) applyItem(r *clientRoom, e *wireItem, text string) bool {
	known, ok := r.members[e.ConnID]
	whole, delta := e.State != nil, e.Patch != nil || e.Removed != nil
	switch {
	case e.Type == "leave" && (whole || delta), whole && delta, e.Type == "join" && !whole:
		c.w.t.Errorf("%s: %s: an item of type %s has state %s, patch %s, removed %s", c.name, text, e.Type, e.State, e.Patch, e.Removed)
	case e.Type == "leave":
		delete(r.members, e.ConnID)
		return ok
	case !ok && !whole && !r.part:
		c.w.t.Errorf("%s: %s: an update of %s, who is not known", c.name, text, e.ConnID)
	case ok && e.Epoch < known.Epoch && !c.w.lossy.Load():
		c.w.t.Errorf("%s: %s: epoch %d is below %d", c.name, text, e.Epoch, known.Epoch)
	}
	if !ok && !whole {
		return false
	}
	if delta {
		merged, _, err := jsontext.Merge(known.State, e.Patch, e.Removed)
		if err != nil {
			c.w.t.Errorf("%s: %s: %v", c.name, text, err)
		}
		e.State = merged
	} else if !whole {
		e.State = known.State
	}
	r.members[e.ConnID] = wireMember{ConnID: e.ConnID, UserID: e.UserID, State: e.State, Epoch: e.Epoch, Status: e.Status}
	return true
}

// checkCounts compares what a batch says of the room after it with the client's map.
func (c *client) checkCounts(r *clientRoom, b *wireBatch, text string) {
	conns := make(map[string]int)
	for _, m := range r.members {
		conns[m.UserID]++
	}
	if want := (wireTotal{len(r.members), len(conns)}); b.Total != want {
		c.w.t.Errorf("%s: %s says %v, the map has %v", c.name, text, b.Total, want)
	}
	for _, e := range b.Events {
		if e.UserConns != conns[e.UserID] {
			c.w.t.Errorf("%s: %s: %s has %d connections, the map has %d", c.name, text, e.UserID, e.UserConns, conns[e.UserID])
		}
	}
}

// readPage asks for the next page of a room, and so on until it has all.
func (c *client) readPage(room string, r *clientRoom, after string) {
	ask := func() {
		c.sock.Members(fmt.Appendf(nil, `{"roomId":%q,"after":%q,"limit":2}`, room, after), ackFunc(func(ack []byte) {
			var a wireAck
			if err := json.Unmarshal(ack, &a); err != nil {
				c.w.t.Errorf("%s: page %s: %v", c.name, ack, err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.rooms[room] != r {
				return // it joined once more meanwhile
			}
			if !a.OK {
				return
			}
			if a.Seq < r.seq {
				c.w.t.Errorf("%s: page %s is older than what the client was sent, %d", c.name, ack, r.seq)
			}
			for _, m := range a.Members {
				r.members[m.ConnID] = m
				r.paged[m.ConnID] = a.Seq
			}
			if r.part = a.Next != ""; r.part {
				c.readPage(room, r, a.Next)
			}
		}))
	}
	if c.on == nil {
		go ask()
		return
	}
	go c.on(ask)
}
