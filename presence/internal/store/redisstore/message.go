package redisstore

import (
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// What travels on a channel is a record (see record.go), or a cast: a version
// byte, a "c", and the payload.

const kindCast = 'c'

// message is what arrived: an event, or else a cast.
type message struct {
	event   *store.Event
	payload []byte
}

func appendCast(dst, payload []byte) []byte {
	return append(append(dst, version, kindCast), payload...)
}

// parseMessage reads a message of the room; it wraps errVersion when a newer
// node sent it. The message shares memory with the text.
func parseMessage(room, text string) (message, error) {
	if len(text) >= 2 && text[0] == version && text[1] == kindCast {
		return message{payload: bytesOf(text[2:])}, nil
	}
	r := new(record)
	if err := r.parse(room, text); err != nil {
		return message{}, fmt.Errorf("message in room %q: %w", room, err)
	}
	return message{event: &r.Event}, nil
}
