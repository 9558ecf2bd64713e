package bench

import (
	"bytes"
	"fmt"
)

// accepted says whether an ack is not a refusal.
func accepted(ack []byte) bool {
	return bytes.Contains(ack, []byte(`"ok":true`))
}

// The fields below are found by their text: rooms, users and states of a load
// hold nothing that could be mistaken for them.

var (
	fieldSeq     = []byte(`"seq":`)
	fieldPrev    = []byte(`"prev":`)
	fieldEpoch   = []byte(`"epoch":`)
	fieldConn    = []byte(`"connId":`)
	fieldUser    = []byte(`"userId":"user-`)
	fieldCounter = []byte(`"n":`)
	fieldSent    = []byte(`"t":`)
	fieldCode    = []byte(`"code":"`)
	fieldResume  = []byte(`"resume":"`)
	fieldSelf    = []byte(`"self":`)

	fieldNext = []byte(`"next":"`)

	presenceEvent  = []byte(`["presence:event",`)
	presenceEvents = []byte(`["presence:events",`)
	fieldType      = []byte(`{"type":"`)
	typeJoin       = []byte(`"type":"join"`)
	typeUpdate     = []byte(`"type":"update"`)
	typeLeave      = []byte(`"type":"leave"`)
	changedTrue    = []byte(`"changed":true`)
	staleTrue      = []byte(`"stale":true`)
	resumedTrue    = []byte(`"resumed":true`)
)

// number returns the first value of a field that holds a whole number.
func number(body, field []byte) (int64, error) {
	_, rest, found := bytes.Cut(body, field)
	if !found {
		return 0, fmt.Errorf("no %s in %.200q", field, body)
	}
	var n int64
	digits := 0
	for digits < len(rest) && rest[digits]-'0' < 10 {
		n = 10*n + int64(rest[digits]-'0')
		if digits++; digits > 18 {
			return 0, fmt.Errorf("too large a number in %s of %.200q", field, body)
		}
	}
	if digits == 0 {
		return 0, fmt.Errorf("no number in %s of %.200q", field, body)
	}
	return n, nil
}

// text returns what follows a field up to the next quote; empty without it.
func text(body, field []byte) string {
	_, rest, found := bytes.Cut(body, field)
	end := bytes.IndexByte(rest, '"')
	if !found || end < 0 {
		return ""
	}
	return string(rest[:end])
}

type eventType byte

const (
	joined eventType = iota + 1
	updated
	left
)

// event is what a load needs to know of a presence:event.
type event struct {
	kind      eventType
	user      int   // index of the member it is about
	seq, prev int64 // 0 in the base protocol
	counter   int64 // of an update's state: how many patches its user made
	sent      int64 // of an update's state: when the last of them was sent
}

// parseEvent reads an event; seq and prev only when the server has them.
func parseEvent(body []byte, base bool) (event, error) {
	var e event
	switch {
	case !bytes.HasPrefix(body, presenceEvent):
		return e, fmt.Errorf("an unexpected event %.80q", body)
	case bytes.Contains(body, typeUpdate):
		e.kind = updated
	case bytes.Contains(body, typeJoin):
		e.kind = joined
	case bytes.Contains(body, typeLeave):
		e.kind = left
	default:
		return e, fmt.Errorf("an event of no known type %.200q", body)
	}
	user, err := number(body, fieldUser)
	if err != nil {
		return e, err
	}
	e.user = int(user)
	if e.kind == updated {
		if e.counter, err = number(body, fieldCounter); err != nil {
			return e, err
		}
		if e.sent, err = number(body, fieldSent); err != nil {
			return e, err
		}
	}
	if base {
		return e, nil
	}
	if e.seq, err = number(body, fieldSeq); err != nil {
		return e, err
	}
	e.prev = e.seq - 1
	if bytes.Contains(body, fieldPrev) {
		e.prev, err = number(body, fieldPrev)
	}
	return e, err
}

// batch is what a load needs to know of a presence:events.
type batch struct {
	seq, prev int64
	sent      []int64 // of each item: when the patch in it was sent; 0: it has none
}

func parseBatch(body []byte) (b batch, err error) {
	items := bytes.Split(body, fieldType)
	if b.seq, err = number(items[0], fieldSeq); err != nil {
		return b, err
	}
	if b.prev, err = number(items[0], fieldPrev); err != nil {
		return b, err
	}
	for _, item := range items[1:] {
		var sent int64
		if bytes.Contains(item, fieldSent) {
			if sent, err = number(item, fieldSent); err != nil {
				return b, err
			}
		}
		b.sent = append(b.sent, sent)
	}
	if len(b.sent) == 0 {
		return b, fmt.Errorf("no items in %.200q", body)
	}
	return b, nil
}

// joinAck is what a load needs to know of the answer to a join.
type joinAck struct {
	seq, epoch int64
	present    int // members in the snapshot, the joiner included
	resumed    bool
	token      string
}

func parseJoinAck(body []byte, base bool) (joinAck, error) {
	var a joinAck
	before, self, found := bytes.Cut(body, fieldSelf)
	if !found {
		return a, fmt.Errorf("no self in %.200q", body)
	}
	var err error
	if a.epoch, err = number(self, fieldEpoch); err != nil {
		return a, err
	}
	a.present = bytes.Count(before, fieldConn) + bytes.Count(self, fieldConn) - 1 // one is self's
	if base {
		return a, nil
	}
	a.resumed = bytes.Contains(body, resumedTrue)
	a.token = text(body, fieldResume)
	a.seq, err = number(body, fieldSeq)
	return a, err
}
