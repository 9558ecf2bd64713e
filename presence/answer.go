package presence

import (
	"strconv"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

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

var ackOK = []byte(`{"ok":true}`)

func appendRefusal(dst []byte, e *Error) []byte {
	dst = append(dst, `{"ok":false,"error":`...)
	dst = jsontext.AppendString(dst, e.Message)
	dst = append(dst, `,"code":"`...)
	dst = append(dst, e.Code...)
	dst = append(dst, '"')
	if e.RetryAfter > 0 {
		dst = appendInt(dst, `,"retryAfterMs":`, e.RetryAfter.Milliseconds())
	}
	return append(dst, '}')
}

// heartbeatAck is the answer to a heartbeat.
type heartbeatAck struct {
	epoch   int64 // 0: left out
	seq     int64 // 0: left out
	changed bool
	stale   bool
}

// answerHeartbeat answers a heartbeat.
func (e *engine) answerHeartbeat(a answerer, ack heartbeatAck) {
	t := e.texts.get(smallText)
	t.b = appendHeartbeatAck(t.b, ack)
	a.answer(t.b)
	e.texts.put(t)
}

// smallText is enough for most acks and events but for the state.
const smallText = 256

func appendHeartbeatAck(dst []byte, a heartbeatAck) []byte {
	dst = append(dst, `{"ok":true,"changed":`...)
	dst = strconv.AppendBool(dst, a.changed)
	if a.epoch > 0 {
		dst = appendInt(dst, `,"epoch":`, a.epoch)
	}
	if a.seq > 0 {
		dst = appendInt(dst, `,"seq":`, a.seq)
	}
	if a.stale {
		dst = append(dst, `,"stale":true`...)
	}
	return append(dst, '}')
}

// joinAck is the answer to a join, the snapshot apart.
type joinAck struct {
	connID  string
	epoch   int64
	graceMs int64
	token   string
	resumed bool
	sender  bool // the socket is told who sends it events
}

// answerJoin answers a join with the room as it stands. It reports false while too
// much waits to be sent. The room's lock is held.
func (r *room) answerJoin(a answerer, ack joinAck, snap *snapshot) bool {
	t := r.eng.texts.get(smallText)
	defer r.eng.texts.put(t)
	t.b = r.appendJoinAck(t.b, ack)
	if snap.text != nil {
		return a.answerShared(t.b, snap.text, closeObject)
	}
	t.b = append(r.appendSnapshot(t.b), '}')
	a.answer(t.b)
	return true
}

var closeObject = []byte{'}'}

// appendJoinAck writes the answer to a join up to its snapshot. The room's lock is
// held.
func (r *room) appendJoinAck(dst []byte, a joinAck) []byte {
	dst = append(dst, `{"ok":true,"self":{"connId":`...)
	dst = jsontext.AppendString(dst, a.connID)
	dst = appendInt(dst, `,"epoch":`, a.epoch)
	if a.graceMs > 0 {
		dst = appendInt(dst, `,"graceMs":`, a.graceMs)
		dst = append(dst, `,"resume":`...)
		dst = jsontext.AppendString(dst, a.token)
	}
	dst = appendInt(dst, `},"seq":`, r.at())
	dst = append(dst, `,"resumed":`...)
	dst = strconv.AppendBool(dst, a.resumed)
	if a.sender {
		dst = append(dst, `,"sender":true`...)
	}
	return append(dst, `,"snapshot":`...)
}

// isCurrent tells whether a client that stands at seq has missed nothing: a number
// that clients need not see does not make theirs old. The lock is held.
func (r *room) isCurrent(seq optional) bool {
	return seq.given && seq.value >= r.shown && seq.value <= r.at()
}
