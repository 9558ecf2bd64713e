package redisstore

import (
	"fmt"
	"strconv"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// What travels on a channel: a version byte, a kind, and
//
//	e  an event: a header (seq prev born reset intent at conns reason conn,
//	   separated by tabs, ended by a line break) and the member's value
//	c  a cast: the payload

const (
	kindEvent = 'e'
	kindCast  = 'c'
)

// message is what arrived: an event, or else a cast.
type message struct {
	event   *store.Event
	payload []byte
}

// appendEvent appends the message of an event; scripts write the same.
func appendEvent(dst []byte, e *store.Event) []byte {
	dst = append(dst, version, kindEvent)
	dst = appendNums(dst, e.Seq, e.Prev)
	dst = append(dst, e.Born...)
	dst = append(dst, '\t')
	if e.Reset {
		dst = append(dst, "1\t"...)
	} else {
		dst = append(dst, "0\t"...)
	}
	dst = append(dst, byte(e.Intent), '\t')
	dst = appendNums(dst, e.AtMs, int64(e.UserConns))
	dst = append(dst, e.Reason...)
	dst = append(dst, '\t')
	dst = append(dst, e.Member.ConnID...)
	dst = append(dst, '\n')
	return appendMember(dst, &e.Member)
}

func appendCast(dst, payload []byte) []byte {
	return append(append(dst, version, kindCast), payload...)
}

// parseMessage reads a message of the room; it wraps errVersion when a newer
// node sent it.
func parseMessage(room, s string) (message, error) {
	switch {
	case len(s) < 2 || s[0] != version:
		return message{}, fmt.Errorf("message in room %q: %w", room, errVersion)
	case s[1] == kindCast:
		return message{payload: []byte(s[2:])}, nil
	case s[1] != kindEvent:
		return message{}, fmt.Errorf("message in room %q: kind %s: %w", room, strconv.QuoteRune(rune(s[1])), errVersion)
	}
	e, err := parseEvent(room, s[2:])
	if err != nil {
		return message{}, fmt.Errorf("event in room %q: %w", room, err)
	}
	return message{event: e}, nil
}

func parseEvent(room, s string) (*store.Event, error) {
	f, value, err := header(s)
	if err != nil {
		return nil, err
	}
	e := &store.Event{Room: room}
	e.Seq, e.Prev, e.Born = f.num(), f.num(), f.text()
	e.Reset = f.bit()
	e.Intent = f.intent()
	e.AtMs, e.UserConns = f.num(), int(f.num())
	e.Reason = store.Reason(f.text())
	conn := f.text()
	if err := f.end(); err != nil {
		return nil, err
	}
	e.Member, err = parseMember(conn, value)
	return e, err
}

// bit reads "0" or "1".
func (f *fields) bit() bool {
	s := f.text()
	if s != "0" && s != "1" {
		f.err = errFields
	}
	return s == "1"
}

func (f *fields) intent() store.Intent {
	s := f.text()
	if len(s) != 1 {
		f.err = errFields
		return 0
	}
	return store.Intent(s[0])
}
