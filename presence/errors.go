package presence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/clip"
	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Code is the machine-readable half of a refusal, the same on the wire, here
// and in the TypeScript SDK.
type Code string

// The codes of the wire protocol.
const (
	// CodeInvalidPayload: a field is missing, empty, of the wrong type, too
	// long, not valid UTF-8 or has a control character.
	CodeInvalidPayload Code = "invalid_payload"
	// CodeStateTooLarge: the state after the merge is over Options.MaxStateBytes.
	CodeStateTooLarge Code = "state_too_large"
	// CodeNotJoined: a request for a room that this connection is not in.
	CodeNotJoined Code = "not_joined"
	// CodeTooManyRooms: a join over Options.MaxRooms.
	CodeTooManyRooms Code = "too_many_rooms"
	// CodeUnauthorized: identity missing or wrong.
	CodeUnauthorized Code = "unauthorized"
	// CodeForbidden: this identity may not do this.
	CodeForbidden Code = "forbidden"
	// CodeRateLimited: over a limit; Error.RetryAfter says how long.
	CodeRateLimited Code = "rate_limited"
	// CodeUnknownEvent: no handler has this event, and it is not relayed.
	CodeUnknownEvent Code = "unknown_event"
	// CodeUnsupported: a request of a feature that this server does not have.
	CodeUnsupported Code = "unsupported"
	// CodeUnavailable: the store did not answer in time.
	CodeUnavailable Code = "unavailable"
	// CodeShuttingDown: this server is draining.
	CodeShuttingDown Code = "shutting_down"
	// CodeInternal: a bug; logged with the id that the sentence repeats.
	CodeInternal Code = "internal"
)

// Error is a refusal as a client sees it. errors.Is treats two Errors of one
// Code as the same, so errors.Is(err, presence.ErrForbidden) works for each.
type Error struct {
	Code Code
	// Message is a sentence that a person can act on; clients see it.
	Message string
	// RetryAfter goes with CodeRateLimited.
	RetryAfter time.Duration
}

// Error returns the code and the sentence.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is reports whether target is an Error of the same Code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Errors for Options.Authorize to return, as they are or wrapped, and for
// errors.Is.
var (
	ErrUnauthorized = &Error{Code: CodeUnauthorized, Message: "Sign in before joining this room."}
	ErrForbidden    = &Error{Code: CodeForbidden, Message: "You may not join this room."}
)

// Errors of methods of a Runtime, for errors.Is.
var (
	// ErrUnavailable says that the store did not answer in time. What was to be
	// written may stand, or not.
	ErrUnavailable = store.ErrUnavailable
	// ErrClosed says that the Runtime has closed.
	ErrClosed = store.ErrClosed
)

var (
	errUnavailable    = &Error{Code: CodeUnavailable, Message: "The presence store did not answer in time; try again in a moment."}
	errRemoved        = &Error{Code: CodeUnavailable, Message: "This membership was removed before the join was answered; join again."}
	errTooManyWaiting = &Error{
		Code: CodeRateLimited, RetryAfter: time.Second,
		Message: "Too many requests for this room are waiting; wait for their answers.",
	}
	errAnswerLate = &Error{
		Code: CodeRateLimited, RetryAfter: 2 * time.Second,
		Message: "The answer is too large to send now, since too much waits for this connection or for others; try again in a moment.",
	}
	errNoRoom = &Error{
		Code: CodeRateLimited, RetryAfter: 2 * time.Second,
		Message: "Too many large events are on their way; try again in a moment.",
	}
	errShuttingDown = &Error{Code: CodeShuttingDown, Message: "This server is shutting down; reconnect to reach another one."}
)

func invalid(format string, args ...any) *Error {
	return &Error{Code: CodeInvalidPayload, Message: fmt.Sprintf(format, args...)}
}

func notJoined(room string) *Error {
	if room == "" {
		return &Error{Code: CodeNotJoined, Message: "This connection is in no room; send presence:join first."}
	}
	return &Error{Code: CodeNotJoined, Message: fmt.Sprintf("This connection is not in room %q; send presence:join first.", room)}
}

func tooManyRooms(limit int) *Error {
	return &Error{Code: CodeTooManyRooms, Message: fmt.Sprintf("A connection may be in %d rooms at most; leave one first.", limit)}
}

func stateTooLarge(size, limit int) *Error {
	return &Error{Code: CodeStateTooLarge, Message: fmt.Sprintf("The state has %d bytes; at most %d are allowed.", size, limit)}
}

// maxShown is how many bytes of a client's text are repeated in a sentence or a log
// line.
const maxShown = 64

// clipped is the beginning of what a client sent.
func clipped(text string) string { return clip.Text(text, maxShown) }

// maxLogged is how many bytes of an error are logged: it may repeat what a client
// sent, or have a stack.
const maxLogged = 8 << 10

func clippedError(err error) string { return clip.Text(err.Error(), maxLogged) }

func unknownEvent(event string) *Error {
	message := fmt.Sprintf("This server has no event %q", clipped(event))
	if !eventname.Presence(event) && !eventname.Reserved(event) {
		message += ", and does not relay it: RELAY_EVENTS, in Go Options.RelayEvents, lists what it relays"
	}
	return &Error{Code: CodeUnknownEvent, Message: message + "."}
}

func unsupported(event string) *Error {
	return &Error{
		Code:    CodeUnsupported,
		Message: fmt.Sprintf("This server keeps neither metadata nor files: it has no %q.", clipped(event)),
	}
}

// logLate says that a request was given up because its turn for an answer with a
// snapshot did not come.
func (e *engine) logLate(room string, s *socket) {
	e.faults.Warn("join or sync refused: no memory for its large answer within 10 s; see MAX_LARGE_BYTES",
		"reason", errAnswerLate.Code, "room", clipped(room), "user", clipped(s.users()), "address", s.peer.address())
}

// refusal is err as the client shall see it: the one place where errors of the
// store and of the application become codes. What nobody foresaw is logged
// with an id that the client gets too.
func (e *engine) refusal(err error, doing string) *Error {
	var coded *Error
	switch {
	case errors.As(err, &coded):
		return coded
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		if e.draining.Load() {
			return errShuttingDown
		}
		e.faults.Warn("store did not answer", "doing", doing, "error", clippedError(err))
		return errUnavailable
	}
	id := randomID(9)
	e.log.Error("internal error", "id", id, "doing", doing, "error", clippedError(err))
	return &Error{Code: CodeInternal, Message: "Something went wrong on the server; report it with the id " + id + "."}
}
