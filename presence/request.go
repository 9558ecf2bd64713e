package presence

import (
	"bytes"
	"errors"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// limits bound what a request may hold; see Options for the units.
type limits struct {
	idBytes    int
	stateBytes int
	rooms      int
	graceMs    int64
}

// JoinRequest is what a client asks for with presence:join, as
// Options.Authorize sees it.
type JoinRequest struct {
	RoomID string
	UserID string
	// State is the raw JSON object that the client sent, nil if it sent none.
	// It must not be changed. Package encoding/json takes keys for a struct's
	// fields whatever their case, clients do not: decode it into a map to see what
	// they see.
	State []byte
	// Resume tells whether the client brings a resume token.
	Resume bool
}

// joinPayload is a presence:join. Its slices are the payload's copy to keep.
type joinPayload struct {
	roomID, userID string
	state          []byte // nil: left out
	keepState      bool   // state is for a new member alone
	resume         string
	grace          optional
	sender         bool // the socket wants to be told who sends it events
}

// unlessNew is the join of a membership that is there already, which keeps its
// state if the join says so.
func (p *joinPayload) unlessNew() *joinPayload {
	if !p.keepState {
		return p
	}
	kept := *p
	kept.state = nil
	return &kept
}

// heartbeatPayload is a presence:heartbeat. Its slices are borrowed from the payload.
type heartbeatPayload struct {
	roomID string // "": left out
	epoch  optional
	edit   edit
}

// edit is what a heartbeat changes in a state: first the patch is merged, then
// keys are removed. Either may be nil, for nothing.
type edit struct {
	patch  []byte // a JSON object
	remove []byte // a JSON array of strings
}

// none reports whether nothing shall change.
func (d edit) none() bool { return d.patch == nil && d.remove == nil }

func (d edit) size() int { return len(d.patch) + len(d.remove) }

func (d edit) clone() edit { return edit{bytes.Clone(d.patch), bytes.Clone(d.remove)} }

// leavePayload is a presence:leave.
type leavePayload struct {
	roomID string // "": every room
	grace  optional
}

// syncPayload is a presence:sync.
type syncPayload struct {
	roomID string
	seq    optional
}

// emitPayload is a presence:emit. args is borrowed from the payload.
type emitPayload struct {
	roomID   string
	event    string
	args     []byte // a JSON array; nil: left out
	volatile bool
}

// optional is an integer that may be left out.
type optional struct {
	value int64
	given bool
}

// fields calls take for each field of a payload, whose JSON was checked when it
// came in, with a nil value for null: as with any other value, the last of a field
// that is there twice counts. A payload that is missing or null has none.
func fields(payload []byte, take func(key, value []byte) error) error {
	if len(payload) == 0 || jsontext.IsNull(payload) {
		return nil
	}
	err := jsontext.Members(payload, func(key, value []byte) error {
		if jsontext.IsNull(value) {
			value = nil
		}
		return take(key, value)
	})
	if errors.Is(err, jsontext.ErrType) {
		return invalid("The payload must be an object.")
	}
	return err
}

func parseJoin(payload []byte, l limits) (p joinPayload, err error) {
	var state []byte
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.roomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "userId"):
			p.userID, err = parseID("userId", value, l)
		case jsontext.KeyIs(key, "state"):
			state, err = parseObject("state", value)
		case jsontext.KeyIs(key, "keepState"):
			p.keepState, err = parseBool("keepState", value)
		case jsontext.KeyIs(key, "resume"):
			p.resume, err = parseToken(value)
		case jsontext.KeyIs(key, "graceMs"):
			p.grace, err = parseGrace(value, l)
		case jsontext.KeyIs(key, "sender"):
			p.sender, err = parseBool("sender", value)
		}
		return err
	})
	switch {
	case err != nil:
		return p, err
	case p.roomID == "":
		return p, invalid("roomId is missing.")
	case p.userID == "":
		return p, invalid("userId is missing.")
	case len(state) > l.stateBytes:
		return p, stateTooLarge(len(state), l.stateBytes)
	}
	p.state = bytes.Clone(state)
	return p, nil
}

func parseHeartbeat(payload []byte, l limits) (p heartbeatPayload, err error) {
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.roomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "epoch"):
			p.epoch, err = parseCount("epoch", value)
		case jsontext.KeyIs(key, "patchState"):
			p.edit.patch, err = parseObject("patchState", value)
		case jsontext.KeyIs(key, "removeState"):
			p.edit.remove, err = parseKeys("removeState", value)
		}
		return err
	})
	return p, err
}

func parseLeave(payload []byte, l limits) (p leavePayload, err error) {
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.roomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "graceMs"):
			p.grace, err = parseGrace(value, l)
		}
		return err
	})
	return p, err
}

func parseSync(payload []byte, l limits) (p syncPayload, err error) {
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.roomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "seq"):
			p.seq, err = parseCount("seq", value)
		}
		return err
	})
	if err == nil && p.roomID == "" {
		err = invalid("roomId is missing.")
	}
	return p, err
}

func parseEmit(payload []byte, l limits) (p emitPayload, err error) {
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.roomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "event"):
			p.event, err = parseName("event", value)
		case jsontext.KeyIs(key, "args"):
			p.args, err = parseArray("args", value)
		case jsontext.KeyIs(key, "volatile"):
			p.volatile, err = parseBool("volatile", value)
		}
		return err
	})
	switch {
	case err != nil:
	case p.roomID == "":
		err = invalid("roomId is missing.")
	case p.event == "":
		err = invalid("event is missing.")
	}
	return p, err
}

// The functions below read one field each; nil, for null, is a field left out.

// parseID reads a room or user id.
func parseID(field string, value []byte, l limits) (string, error) {
	id, err := parseName(field, value)
	if err != nil {
		return "", err
	}
	if len(id) > l.idBytes {
		return "", invalid("%s has %d bytes of UTF-8; at most %d are allowed.", field, len(id), l.idBytes)
	}
	for i := range len(id) {
		if id[i] < 0x20 || id[i] == 0x7f {
			return "", invalid("%s has a control character.", field)
		}
	}
	return id, nil
}

// parseName reads a string that is not empty.
func parseName(field string, value []byte) (string, error) {
	if value == nil {
		return "", nil
	}
	name, err := parseString(field, value)
	if err == nil && name == "" {
		err = invalid("%s is empty.", field)
	}
	return name, err
}

// parseString reads a string that is not left out.
func parseString(field string, value []byte) (string, error) {
	if value[0] != '"' {
		return "", invalid("%s must be a string.", field)
	}
	text, ok := jsontext.Unquote(value)
	if !ok {
		return "", invalid("%s is not valid UTF-8.", field)
	}
	return string(text), nil
}

func parseObject(field string, value []byte) ([]byte, error) {
	if value != nil && value[0] != '{' {
		return nil, invalid("%s must be an object.", field)
	}
	return value, nil
}

func parseArray(field string, value []byte) ([]byte, error) {
	if value != nil && value[0] != '[' {
		return nil, invalid("%s must be an array.", field)
	}
	return value, nil
}

// parseKeys reads an array of strings, which stays text.
func parseKeys(field string, value []byte) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	err := jsontext.Elements(value, func(key []byte) error {
		if key[0] != '"' {
			return jsontext.ErrType
		}
		return nil
	})
	if errors.Is(err, jsontext.ErrType) {
		return nil, invalid("%s must be an array of strings.", field)
	}
	return value, err
}

func parseToken(value []byte) (string, error) {
	if value == nil {
		return "", nil
	}
	if value[0] == '"' && len(value) > maxToken {
		return "", nil // not one of ours: an ordinary join
	}
	return parseString("resume", value)
}

// parseCount reads an integer from 0.
func parseCount(field string, value []byte) (optional, error) {
	if value == nil {
		return optional{}, nil
	}
	n, ok := jsontext.Int(value)
	if !ok || n < 0 {
		return optional{}, invalid("%s must be an integer from 0.", field)
	}
	return optional{n, true}, nil
}

func parseBool(field string, value []byte) (bool, error) {
	switch string(value) {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, invalid("%s must be true or false.", field)
}

// parseGrace reads a grace in ms and caps it.
func parseGrace(value []byte, l limits) (optional, error) {
	grace, err := parseCount("graceMs", value)
	grace.value = min(grace.value, l.graceMs)
	return grace, err
}
