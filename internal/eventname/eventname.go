// Package eventname knows the names of events that are taken, and reads lists of
// patterns for names.
package eventname

import (
	"errors"
	"fmt"
	"strings"
)

// Reserved reports whether Socket.IO keeps a name for itself ("connect",
// "disconnect" and the like). No event may have it.
func Reserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// PresencePrefix is what the names of presence's own events begin with.
const PresencePrefix = "presence:"

// Presence reports whether a name is kept for presence.
func Presence(name string) bool { return strings.HasPrefix(name, PresencePrefix) }

// Patterns is a list of patterns for the names of an application's events. The zero
// value has none.
type Patterns struct{ list []pattern }

type pattern struct {
	text string
	rest bool // whatever follows
}

// Parse reads a list. An entry is a name such as "cursor", or ends in * for any name
// that begins so, such as "chat:*". The error says what is wrong with which entry,
// and begins with it.
func Parse(entries []string) (Patterns, error) {
	var p Patterns
	for _, entry := range entries {
		one, err := parsePattern(entry)
		if err != nil {
			return Patterns{}, fmt.Errorf("%q %w", entry, err)
		}
		p.list = append(p.list, one)
	}
	return p, nil
}

func parsePattern(entry string) (pattern, error) {
	text, rest := strings.CutSuffix(entry, "*")
	switch {
	case entry == "":
		return pattern{}, errors.New("is no name")
	case strings.Contains(text, "*"):
		return pattern{}, errors.New("has a * before its end")
	case Presence(entry):
		return pattern{}, errors.New("is never matched: presence keeps these names for itself")
	case Reserved(entry):
		return pattern{}, errors.New("is never matched: Socket.IO keeps this name for itself")
	}
	return pattern{text, rest}, nil
}

// Match reports whether a name is listed. Names that are reserved, or presence's,
// never are.
func (p Patterns) Match(name string) bool {
	if len(p.list) == 0 || Presence(name) || Reserved(name) {
		return false
	}
	for _, one := range p.list {
		if name == one.text || one.rest && strings.HasPrefix(name, one.text) {
			return true
		}
	}
	return false
}
