//go:build unix

package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// event is a presence:event as the wire has it.
type event struct {
	Type      string          `json:"type"`
	RoomID    string          `json:"roomId"`
	UserID    string          `json:"userId"`
	ConnID    string          `json:"connId"`
	State     json.RawMessage `json:"state"`
	Ts        int64           `json:"ts"`
	Epoch     int64           `json:"epoch"`
	Seq       int64           `json:"seq"`
	Prev      *int64          `json:"prev"`
	UserConns *int            `json:"userConns"`
	Status    string          `json:"status"`
	Reason    string          `json:"reason"`
}

func (e *event) String() string {
	prev := int64(-1)
	if e.Prev != nil {
		prev = *e.Prev
	}
	return fmt.Sprintf("%s %s of %s in %q (seq %d, prev %d, epoch %d, %s%s, ts %d)",
		e.Type, e.ConnID, e.UserID, e.RoomID, e.Seq, prev, e.Epoch, e.Status, e.Reason, e.Ts)
}

// entry is a member as a client's map has it.
type entry struct {
	ConnID string          `json:"connId"`
	UserID string          `json:"userId"`
	State  json.RawMessage `json:"state"`
	Epoch  int64           `json:"epoch"`
	Status string          `json:"status"`
}

// answer is any acknowledgement.
type answer struct {
	OK       bool    `json:"ok"`
	Error    string  `json:"error"`
	Code     string  `json:"code"`
	Snapshot []entry `json:"snapshot"`
	Self     struct {
		ConnID  string `json:"connId"`
		Epoch   int64  `json:"epoch"`
		GraceMs int64  `json:"graceMs"`
		Resume  string `json:"resume"`
	} `json:"self"`
	Seq       int64 `json:"seq"`
	Resumed   bool  `json:"resumed"`
	Changed   bool  `json:"changed"`
	Epoch     int64 `json:"epoch"`
	Stale     bool  `json:"stale"`
	Unchanged bool  `json:"unchanged"`
}

var eventName = []byte(`["presence:event",`)

// parseEvent decodes the body of an event's packet.
func parseEvent(body []byte) (*event, error) {
	rest, found := bytes.CutPrefix(body, eventName)
	if !found {
		return nil, errors.New("not a presence:event")
	}
	e := new(event)
	if err := json.Unmarshal(bytes.TrimSuffix(rest, []byte("]")), e); err != nil {
		return nil, err
	}
	return e, e.check()
}

// check says what is wrong with an event taken by itself.
func (e *event) check() error {
	switch {
	case e.RoomID == "" || e.UserID == "" || e.ConnID == "":
		return errors.New("an id is missing")
	case e.Prev == nil || *e.Prev >= e.Seq || *e.Prev < 0:
		return errors.New("prev is not below seq")
	case e.Epoch < 1 || e.Ts <= 0 || e.UserConns == nil:
		return errors.New("epoch, ts or userConns is missing")
	}
	state := string(e.State)
	switch e.Type {
	case "join", "update":
		if len(state) == 0 || state[0] != '{' || e.Status != "online" && e.Status != "away" || *e.UserConns < 1 {
			return errors.New("state, status or userConns is wrong")
		}
	case "leave":
		if state != "" && state != "null" || e.Reason == "" {
			return errors.New("a leave with a state, or without a reason")
		}
	default:
		return errors.New("unknown type")
	}
	return nil
}

// parseAnswer decodes the body of an acknowledgement's packet.
func parseAnswer(body []byte) (*answer, error) {
	var list []answer
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("%d arguments", len(list))
	}
	return &list[0], nil
}
