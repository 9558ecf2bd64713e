package wire

import (
	"strconv"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/internal/series"
)

// batchName is the Socket.IO event that carries several changes to clients that asked for it.
const batchName = "presence:events"

// MaxBatch is how many bytes a batch or a page of two members or more has at most.
const MaxBatch = 256 << 10

// Batch begins a presence:events message.
type Batch struct {
	RoomID    string
	Seq, Prev int64 // what it leads to, and what was told before
	TimeMs    int64
	Total     Total
}

// AppendBatch appends a presence:events message up to its items. The caller appends those, with commas
// between them, and AppendBatchEnd. The change says what the message is to a backlog.
func AppendBatch(dst []byte, b *Batch) (text []byte, c series.Change) {
	c = series.Change{Series: b.RoomID, Kind: series.Batch, Seq: b.Seq, Prev: b.Prev}
	begin := len(dst)
	dst = append(dst, `["`+batchName+`",{"roomId":`...)
	dst = jsontext.AppendString(dst, b.RoomID)
	dst = appendInt(dst, `,"seq":`, b.Seq)
	dst = append(dst, `,"prev":`...)
	c.PrevAt = len(dst) - begin
	dst = strconv.AppendInt(dst, b.Prev, 10)
	c.PrevLen = len(dst) - begin - c.PrevAt
	dst = appendInt(dst, `,"ts":`, b.TimeMs)
	dst = AppendTotal(dst, b.Total)
	return append(dst, `,"events":[`...), c
}

// AppendBatchEnd appends what stands behind the items of a batch.
func AppendBatchEnd(dst []byte) []byte { return append(dst, `]}]`...) }

// StateText is how an item of a batch has the state of its member.
type StateText struct {
	Whole          []byte // the state; nil: it is not in the item
	Patch, Removed []byte // what changed in it; nil: nothing did
}

// AppendItem appends an item of a batch.
func AppendItem(dst []byte, e *Shown, s StateText) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, e.Type...)
	dst = append(dst, `","connId":`...)
	dst = jsontext.AppendString(dst, e.ConnID)
	dst = append(dst, `,"userId":`...)
	dst = jsontext.AppendString(dst, e.UserID)
	dst = appendInt(dst, `,"epoch":`, e.Epoch)
	dst = appendInt(dst, `,"seq":`, e.Seq)
	dst = appendInt(dst, `,"ts":`, e.Time.UnixMilli())
	if s.Whole != nil {
		dst = append(dst, `,"state":`...)
		dst = append(dst, s.Whole...)
	}
	if s.Patch != nil {
		dst = append(dst, `,"patch":`...)
		dst = append(dst, s.Patch...)
	}
	if s.Removed != nil {
		dst = append(dst, `,"removed":`...)
		dst = append(dst, s.Removed...)
	}
	dst = appendInt(dst, `,"userConns":`, int64(e.UserConns))
	if e.Type == EventLeave {
		dst = append(dst, `,"reason":"`...)
		dst = append(dst, e.Reason...)
	} else {
		dst = append(dst, `,"status":"`...)
		dst = append(dst, e.Status...)
		if !e.LastSeen.IsZero() {
			dst = appendInt(append(dst, '"'), `,"lastSeenMs":`, e.LastSeen.UnixMilli())
			return append(dst, '}')
		}
	}
	return append(dst, `"}`...)
}
