package presence

import "github.com/realtime-ai/realtime-message-go/presence/internal/wire"

// answerer takes the one acknowledgement of a request: a JSON object, of which
// it keeps nothing. It never blocks; without an acknowledgement asked for it does
// nothing.
type answerer interface {
	answer(ack []byte)
	// answerShared is answer for an acknowledgement in three parts. It reports false,
	// and leaves the request unanswered, while too much waits to be sent.
	answerShared(head []byte, text sharedText, tail []byte) bool
	// wanted reports whether an acknowledgement was asked for.
	wanted() bool
}

var ackOK = []byte(wire.AckOK)

// answerHeartbeat answers a heartbeat.
func (e *engine) answerHeartbeat(a answerer, ack wire.HeartbeatAck) {
	t := e.texts.get(smallText)
	t.b = wire.AppendHeartbeatAck(t.b, ack)
	a.answer(t.b)
	e.texts.put(t)
}

// smallText is enough for most acks and events but for the state.
const smallText = 256

// answerJoin answers a join with the room as it stands. It reports false while too
// much waits to be sent. The room's lock is held.
func (r *room) answerJoin(a answerer, ack *wire.JoinAck, snap *snapshot) bool {
	t := r.eng.texts.get(smallText)
	defer r.eng.texts.put(t)
	t.b = wire.AppendJoinAck(t.b, ack, r.at())
	if snap.text != nil {
		return a.answerShared(t.b, snap.text, closeObject)
	}
	t.b = append(r.appendSnapshot(t.b), '}')
	a.answer(t.b)
	return true
}

var closeObject = []byte{'}'}

// isCurrent tells whether a client that stands at seq has missed nothing: a number
// that clients need not see does not make theirs old. The lock is held.
func (r *room) isCurrent(seq wire.Optional) bool {
	return seq.Given && seq.Value >= r.shown && seq.Value <= r.at()
}
