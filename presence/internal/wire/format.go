package wire

import (
	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// Format is how a client wants to be told of a room. The zero Format is that of a client that knows
// of none.
type Format struct {
	Limit  Optional // of members in the snapshot
	Batch  bool     // changes come as presence:events
	Deltas bool     // updates come as patches; implies Batch
}

// Asked reports whether the client asked for any of it.
func (f Format) Asked() bool { return f.Limit.Given || f.Batch }

// MaxLimit is the largest limit, and that of a page where none is given.
const MaxLimit = 1000

// parse reads a field of a format. It does nothing with other fields.
func (f *Format) parse(key, value []byte) (err error) {
	switch {
	case jsontext.KeyIs(key, "limit"):
		f.Limit, err = parseLimit(value, 0)
	case jsontext.KeyIs(key, "batch"):
		f.Batch, err = parseBool("batch", value)
	case jsontext.KeyIs(key, "deltas"):
		f.Deltas, err = parseBool("deltas", value)
	}
	return err
}

func parseLimit(value []byte, least int64) (Optional, error) {
	if value == nil {
		return Optional{}, nil
	}
	n, ok := jsontext.Int(value)
	if !ok || n < least || n > MaxLimit {
		return Optional{}, Invalid("limit must be an integer from %d to %d.", least, MaxLimit)
	}
	return Optional{n, true}, nil
}

// appendTo appends what is in force, in an answer to a join.
func (f Format) appendTo(dst []byte) []byte {
	if f.Limit.Given {
		dst = appendInt(dst, `,"limit":`, f.Limit.Value)
	}
	if f.Batch {
		dst = append(dst, `,"batch":true`...)
	}
	if f.Deltas {
		dst = append(dst, `,"deltas":true`...)
	}
	return dst
}

// Total is how many are in a room.
type Total struct{ Members, Users int }

// AppendTotal appends a total with its label.
func AppendTotal(dst []byte, t Total) []byte {
	dst = appendInt(dst, `,"total":{"members":`, int64(t.Members))
	dst = appendInt(dst, `,"users":`, int64(t.Users))
	return append(dst, '}')
}

// PageRequest is a presence:members.
type PageRequest struct {
	RoomID string
	After  string // the place behind which the page begins; "": the beginning
	Limit  int
}

// ParsePage reads the payload of a presence:members.
func ParsePage(payload []byte, l Limits) (p PageRequest, err error) {
	limit := Optional{MaxLimit, true}
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.RoomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "after"):
			p.After, err = parsePlace(value)
		case jsontext.KeyIs(key, "limit"):
			if limit, err = parseLimit(value, 1); !limit.Given {
				limit.Value = MaxLimit
			}
		}
		return err
	})
	if err == nil && p.RoomID == "" {
		err = Invalid("roomId is missing.")
	}
	p.Limit = int(limit.Value)
	return p, err
}

// A place in a room's members is told with a mark before it, so that the place before the first is a
// text, too.
const placeMark = ':'

// parsePlace reads a place.
func parsePlace(value []byte) (string, error) {
	if value == nil {
		return "", nil
	}
	place, err := parseString("after", value)
	if err == nil && (len(place) > maxToken || len(place) == 0 || place[0] != placeMark) {
		err = Invalid("after must be the next of an earlier answer.")
	}
	if err != nil {
		return "", err
	}
	return place[1:], nil
}

// AppendPageAck appends the answer to a presence:members up to its members, which stand at seq. The
// caller appends those and AppendPageEnd.
func AppendPageAck(dst []byte, seq int64) []byte {
	return append(appendInt(dst, `{"ok":true,"seq":`, seq), `,"members":`...)
}

// AppendPageEnd appends what comes behind a part of a room's members, the closing brace included: how
// many there are, and, if there are more, behind which place they begin.
func AppendPageEnd(dst []byte, t Total, more bool, place string) []byte {
	dst = AppendTotal(dst, t)
	if more {
		dst = append(dst, `,"next":`...)
		dst = jsontext.AppendString(dst, string(placeMark)+place)
	}
	return append(dst, '}')
}
