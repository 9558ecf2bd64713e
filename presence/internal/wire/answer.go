package wire

import (
	"strconv"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// AckOK is the answer to a request that has nothing else to say.
const AckOK = `{"ok":true}`

// AppendRefusal appends the answer to a request that is refused.
func AppendRefusal(dst []byte, e *Error) []byte {
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

// HeartbeatAck is the answer to a heartbeat.
type HeartbeatAck struct {
	Epoch   int64 // 0: left out
	Seq     int64 // 0: left out
	Changed bool
	Stale   bool
}

// AppendHeartbeatAck appends the answer to a heartbeat.
func AppendHeartbeatAck(dst []byte, a HeartbeatAck) []byte {
	dst = append(dst, `{"ok":true,"changed":`...)
	dst = strconv.AppendBool(dst, a.Changed)
	if a.Epoch > 0 {
		dst = appendInt(dst, `,"epoch":`, a.Epoch)
	}
	if a.Seq > 0 {
		dst = appendInt(dst, `,"seq":`, a.Seq)
	}
	if a.Stale {
		dst = append(dst, `,"stale":true`...)
	}
	return append(dst, '}')
}

// JoinAck is the answer to a join, the room's seq and snapshot apart.
type JoinAck struct {
	ConnID  string
	Epoch   int64
	GraceMs int64  // 0: the member cannot be resumed
	Token   string // of a member that can be resumed
	Resumed bool
	Sender  bool // the socket is told who sends it events
	Format  Format
}

// AppendJoinAck appends the answer to a join up to its snapshot, which stands at seq. The
// caller appends the snapshot and a closing brace.
func AppendJoinAck(dst []byte, a *JoinAck, seq int64) []byte {
	dst = append(dst, `{"ok":true,"self":{"connId":`...)
	dst = jsontext.AppendString(dst, a.ConnID)
	dst = appendInt(dst, `,"epoch":`, a.Epoch)
	if a.GraceMs > 0 {
		dst = appendInt(dst, `,"graceMs":`, a.GraceMs)
		dst = append(dst, `,"resume":`...)
		dst = jsontext.AppendString(dst, a.Token)
	}
	dst = appendInt(dst, `},"seq":`, seq)
	dst = append(dst, `,"resumed":`...)
	dst = strconv.AppendBool(dst, a.Resumed)
	if a.Sender {
		dst = append(dst, `,"sender":true`...)
	}
	dst = a.Format.appendTo(dst)
	return append(dst, `,"snapshot":`...)
}

// AppendSyncAck appends the answer to a sync up to its snapshot, which stands at seq. The
// caller appends the snapshot and a closing brace.
func AppendSyncAck(dst []byte, seq int64) []byte {
	return append(appendInt(dst, `{"ok":true,"seq":`, seq), `,"snapshot":`...)
}

// AppendUnchanged appends the answer to a sync of a client that has missed nothing: the
// room stands at seq.
func AppendUnchanged(dst []byte, seq int64) []byte {
	return append(appendInt(dst, `{"ok":true,"seq":`, seq), `,"unchanged":true}`...)
}

// MemberOverhead is how many bytes a member takes in a snapshot at most, its ids and its
// state apart.
const MemberOverhead = 160

// AppendMember appends one member of a snapshot, a JSON array of members. seenMs is its
// last life sign, in Unix ms of the store's clock.
func AppendMember(dst []byte, m *store.Member, seenMs int64) []byte {
	dst = append(dst, `{"connId":`...)
	dst = jsontext.AppendString(dst, m.ConnID)
	dst = append(dst, `,"userId":`...)
	dst = jsontext.AppendString(dst, m.UserID)
	dst = append(dst, `,"state":`...)
	dst = append(dst, m.State...)
	dst = appendInt(dst, `,"lastSeenMs":`, seenMs)
	dst = appendInt(dst, `,"joinedMs":`, m.JoinedMs)
	dst = appendInt(dst, `,"epoch":`, m.Epoch)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, StatusOf(m.Away)...)
	return append(dst, `"}`...)
}

func appendInt(dst []byte, label string, n int64) []byte {
	return strconv.AppendInt(append(dst, label...), n, 10)
}
