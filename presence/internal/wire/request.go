package wire

import (
	"bytes"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// Limits bound what a request may hold; see presence.Options for the units.
type Limits struct {
	IDBytes    int
	StateBytes int
	Rooms      int
	GraceMs    int64
}

// JoinRequest is what a client asks for with presence:join, as
// Options.Authorize sees it.
type JoinRequest struct {
	RoomID string
	UserID string
	// State is the raw JSON object that the client sent, nil if it sent none. It must not
	// be changed. Decode it into a map: for fields of a struct encoding/json ignores case,
	// which clients do not.
	State []byte
	// Resume tells whether the client brings a resume token.
	Resume bool
}

// Join is a presence:join. Its slices are the payload's copy to keep.
type Join struct {
	RoomID, UserID string
	State          []byte // nil: left out
	KeepState      bool   // State is for a new member alone
	Resume         string // a resume token; "": left out
	GraceMs        Optional
	Sender         bool // the socket asks for the senders of events
	Format         Format
}

// Request is the join as Options.Authorize sees it.
func (p *Join) Request() JoinRequest {
	return JoinRequest{RoomID: p.RoomID, UserID: p.UserID, State: p.State, Resume: p.Resume != ""}
}

// UnlessNew is the join of a membership that is there already, which keeps its
// state if the join says so.
func (p *Join) UnlessNew() *Join {
	if !p.KeepState {
		return p
	}
	kept := *p
	kept.State = nil
	return &kept
}

// Heartbeat is a presence:heartbeat. Its slices are borrowed from the payload.
type Heartbeat struct {
	RoomID string // "": left out
	Epoch  Optional
	Edit   Edit
}

// Edit is what a heartbeat changes in a state: first the patch is merged, then
// keys are removed. Either may be nil, for nothing.
type Edit struct {
	Patch  []byte // a JSON object
	Remove []byte // a JSON array of strings
}

// None reports whether the edit changes nothing.
func (d Edit) None() bool { return d.Patch == nil && d.Remove == nil }

// Size is the number of bytes that the edit holds while it waits.
func (d Edit) Size() int { return len(d.Patch) + len(d.Remove) }

// Clone returns a copy that borrows nothing.
func (d Edit) Clone() Edit { return Edit{bytes.Clone(d.Patch), bytes.Clone(d.Remove)} }

// Leave is a presence:leave.
type Leave struct {
	RoomID  string // "": every room
	GraceMs Optional
}

// Sync is a presence:sync.
type Sync struct {
	RoomID string
	Seq    Optional
}

// Optional is an integer that may be left out.
type Optional struct {
	Value int64
	Given bool
}

// ParseJoin reads the payload of a presence:join.
func ParseJoin(payload []byte, l Limits) (p Join, err error) {
	var state []byte
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.RoomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "userId"):
			p.UserID, err = parseID("userId", value, l)
		case jsontext.KeyIs(key, "state"):
			state, err = parseObject("state", value)
		case jsontext.KeyIs(key, "keepState"):
			p.KeepState, err = parseBool("keepState", value)
		case jsontext.KeyIs(key, "resume"):
			p.Resume, err = parseToken(value)
		case jsontext.KeyIs(key, "graceMs"):
			p.GraceMs, err = parseGrace(value, l)
		case jsontext.KeyIs(key, "sender"):
			p.Sender, err = parseBool("sender", value)
		default:
			err = p.Format.parse(key, value)
		}
		return err
	})
	p.Format.Batch = p.Format.Batch || p.Format.Deltas
	switch {
	case err != nil:
		return p, err
	case p.RoomID == "":
		return p, Invalid("roomId is missing.")
	case p.UserID == "":
		return p, Invalid("userId is missing.")
	case len(state) > l.StateBytes:
		return p, StateTooLarge(len(state), l.StateBytes)
	}
	p.State = bytes.Clone(state)
	return p, nil
}

// ParseHeartbeat reads the payload of a presence:heartbeat.
func ParseHeartbeat(payload []byte, l Limits) (p Heartbeat, err error) {
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.RoomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "epoch"):
			p.Epoch, err = parseCount("epoch", value)
		case jsontext.KeyIs(key, "patchState"):
			p.Edit.Patch, err = parseObject("patchState", value)
		case jsontext.KeyIs(key, "removeState"):
			p.Edit.Remove, err = parseKeys("removeState", value)
		}
		return err
	})
	return p, err
}

// ParseLeave reads the payload of a presence:leave.
func ParseLeave(payload []byte, l Limits) (p Leave, err error) {
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.RoomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "graceMs"):
			p.GraceMs, err = parseGrace(value, l)
		}
		return err
	})
	return p, err
}

// ParseSync reads the payload of a presence:sync.
func ParseSync(payload []byte, l Limits) (p Sync, err error) {
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.RoomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "seq"):
			p.Seq, err = parseCount("seq", value)
		}
		return err
	})
	if err == nil && p.RoomID == "" {
		err = Invalid("roomId is missing.")
	}
	return p, err
}
