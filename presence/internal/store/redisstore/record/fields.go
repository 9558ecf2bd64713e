package record

import (
	"errors"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// ErrFields says that a text of ours is not as we write it.
var ErrFields = errors.New("malformed")

// Fields reads the parts of a header, which tabs separate, one after the
// other. The first fault sticks. What a later version added at the end is left.
type Fields struct {
	Rest string
	done bool
	Err  error
}

func (f *Fields) text() string {
	if f.done {
		f.Err = ErrFields
		return ""
	}
	s, rest, more := strings.Cut(f.Rest, "\t")
	f.Rest, f.done = rest, !more
	return s
}

func (f *Fields) num() int64 {
	n, err := strconv.ParseInt(f.text(), 10, 64)
	if err != nil || n < 0 {
		f.Err = ErrFields
		return 0
	}
	return n
}

// Plain says whether an id can stand in a header.
func Plain(id string) bool { return !strings.ContainsAny(id, "\t\n") }

// Outcome reads how a script says that a write went.
func (f *Fields) Outcome() store.Outcome {
	switch f.text() {
	case "a":
		return store.Applied
	case "r":
		return store.Repeated
	case "f":
		return store.Fenced
	case "m":
		return store.Missing
	case "x":
		return store.Expired
	}
	f.Err = ErrFields
	return 0
}
