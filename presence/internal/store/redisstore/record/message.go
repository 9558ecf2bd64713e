package record

import (
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// CastText is a cast as it travels. newer is what it has of a later version.
func CastText(newer string, payload []byte) string {
	number, more := versionOf(newer)
	return number + "\tc" + more + "\n" + string(payload)
}

// message is what arrived: an event, or else a cast.
type message struct {
	Event   *store.Event
	Payload []byte
}

// ParseMessage reads a message of the room. It shares memory with the text.
func ParseMessage(room, text string) (message, error) {
	_, kind, _ := strings.Cut(text, "\t")
	if strings.HasPrefix(kind, "c\n") || strings.HasPrefix(kind, "c\t") { // a record has a number there
		_, payload, ok := strings.Cut(kind, "\n")
		if !ok {
			return message{}, fmt.Errorf("cast in room %q: %w", room, ErrFields)
		}
		return message{Payload: bytesOf(payload)}, nil
	}
	e := new(store.Event)
	if err := readRecord(e, room, text); err != nil {
		return message{}, fmt.Errorf("message in room %q: %w", room, err)
	}
	return message{Event: e}, nil
}
