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
	fieldSeq   = []byte(`"seq":`)
	fieldPrev  = []byte(`"prev":`)
	fieldEpoch = []byte(`"epoch":`)
	fieldConn  = []byte(`"connId":`)

	presenceEvent = []byte(`["presence:event",`)
	typeJoin      = []byte(`"type":"join"`)
	typeUpdate    = []byte(`"type":"update"`)
	changedTrue   = []byte(`"changed":true`)
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
