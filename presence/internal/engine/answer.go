package engine

import (
	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Acker takes the one acknowledgement of a request: a JSON object, of which
// it keeps nothing. It never blocks; without an acknowledgement asked for it does
// nothing.
type Acker interface {
	Answer(ack []byte)
	// AnswerShared is answer for an acknowledgement in three parts. It reports false,
	// and leaves the request unanswered, while too much waits to be sent.
	AnswerShared(head []byte, text SharedBody, tail []byte) bool
	// Wanted reports whether an acknowledgement was asked for.
	Wanted() bool
}

var ackOK = []byte(wire.AckOK)

// answerHeartbeat answers a heartbeat.
func (e *Sockets) answerHeartbeat(a Acker, ack wire.HeartbeatAck) {
	t := e.texts.Get(smallText)
	t.B = wire.AppendHeartbeatAck(t.B, ack)
	a.Answer(t.B)
	e.texts.Put(t)
}

// smallText is enough for most acks and events but for the state.
const smallText = 256

// answerJoin acknowledges a join with the room as it is now. It reports false when too much
// is waiting to be sent to the client. The room's lock is held.
func (r *room) answerJoin(a Acker, ack *wire.JoinAck, snap *snapshot) bool {
	t := r.eng.texts.Get(smallText)
	defer r.eng.texts.Put(t)
	t.B = wire.AppendJoinAck(t.B, ack, r.rep.Seq())
	if snap.text != nil {
		return a.AnswerShared(t.B, snap.text, closeObject)
	}
	t.B = append(r.appendSnapshot(t.B), '}')
	a.Answer(t.B)
	return true
}

var closeObject = []byte{'}'}

// isCurrent reports whether a client that has applied everything up to seq has missed
// nothing. Numbers of events that are not shown to clients do not count. The lock is held.
func (r *room) isCurrent(seq wire.Optional) bool {
	return seq.Given && r.rep.IsCurrent(seq.Value)
}

// encodeEvent encodes an event for the sockets that hear it.
func (e *Rooms) encodeEvent(event *wire.Shown) Frame {
	t := e.texts.Get(smallText + len(event.State))
	defer e.texts.Put(t)
	var change series.Change
	t.B, change = wire.AppendEvent(t.B, event)
	return e.Encode(t.B, change)
}
