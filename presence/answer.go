package presence

import (
	"strconv"

	"github.com/realtime-ai/realtime-message-go/internal/rawjson"
)

// answerer takes the one acknowledgement of a request: a JSON object, of which
// it keeps nothing. It never blocks; without an acknowledgement asked for it does
// nothing.
type answerer interface {
	answer(ack []byte)
}

var ackOK = []byte(`{"ok":true}`)

func appendRefusal(dst []byte, e *Error) []byte {
	dst = append(dst, `{"ok":false,"error":`...)
	dst = rawjson.AppendString(dst, e.Message)
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

// memberText is about how much a member takes in a snapshot.
const memberText = 192

// answerJoin answers a join. The room's lock is held.
func (r *room) answerJoin(a answerer, ack joinAck) {
	t := r.eng.texts.get(smallText + memberText*len(r.members))
	t.b = r.appendJoinAck(t.b, ack)
	a.answer(t.b)
	r.eng.texts.put(t)
}

// appendJoinAck writes the answer to a join with the room as it stands. The
// room's lock is held.
func (r *room) appendJoinAck(dst []byte, a joinAck) []byte {
	dst = append(dst, `{"ok":true,"self":{"connId":`...)
	dst = rawjson.AppendString(dst, a.connID)
	dst = appendInt(dst, `,"epoch":`, a.epoch)
	if a.graceMs > 0 {
		dst = appendInt(dst, `,"graceMs":`, a.graceMs)
		dst = append(dst, `,"resume":`...)
		dst = rawjson.AppendString(dst, a.token)
	}
	dst = appendInt(dst, `},"seq":`, r.at())
	dst = append(dst, `,"resumed":`...)
	dst = strconv.AppendBool(dst, a.resumed)
	if a.sender {
		dst = append(dst, `,"sender":true`...)
	}
	dst = append(dst, `,"snapshot":`...)
	dst = r.appendSnapshot(dst)
	return append(dst, '}')
}

// appendSyncAck writes the answer to a sync of a client that stands at seq.
// The room's lock is held.
func (r *room) appendSyncAck(dst []byte, seq optional) []byte {
	dst = appendInt(append(dst, `{"ok":true`...), `,"seq":`, r.at())
	// A number that clients need not see does not make theirs old.
	if seq.given && seq.value >= r.shown && seq.value <= r.at() {
		return append(dst, `,"unchanged":true}`...)
	}
	dst = append(dst, `,"snapshot":`...)
	dst = r.appendSnapshot(dst)
	return append(dst, '}')
}

func (r *room) appendSnapshot(dst []byte) []byte {
	dst = append(dst, '[')
	first := true
	for _, m := range r.members {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, `{"connId":`...)
		dst = rawjson.AppendString(dst, m.ConnID)
		dst = append(dst, `,"userId":`...)
		dst = rawjson.AppendString(dst, m.UserID)
		dst = append(dst, `,"state":`...)
		dst = append(dst, m.State...)
		dst = appendInt(dst, `,"lastSeenMs":`, r.lastSeenMs(m))
		dst = appendInt(dst, `,"joinedMs":`, m.JoinedMs)
		dst = appendInt(dst, `,"epoch":`, m.Epoch)
		dst = append(dst, `,"status":"`...)
		dst = append(dst, statusOf(m.Away)...)
		dst = append(dst, `"}`...)
	}
	return append(dst, ']')
}
