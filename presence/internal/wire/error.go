package wire

import (
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/clip"
	"github.com/realtime-ai/realtime-message-go/internal/eventname"
)

// Code is the machine-readable half of a refusal, the same on the wire, in Go and in
// the TypeScript SDK.
type Code string

// The codes of the wire protocol; package presence says what they mean.
const (
	CodeInvalidPayload Code = "invalid_payload"
	CodeStateTooLarge  Code = "state_too_large"
	CodeNotJoined      Code = "not_joined"
	CodeTooManyRooms   Code = "too_many_rooms"
	CodeUnauthorized   Code = "unauthorized"
	CodeForbidden      Code = "forbidden"
	CodeRateLimited    Code = "rate_limited"
	CodeUnknownEvent   Code = "unknown_event"
	CodeUnsupported    Code = "unsupported"
	CodeUnavailable    Code = "unavailable"
	CodeShuttingDown   Code = "shutting_down"
	CodeInternal       Code = "internal"
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

// The refusals that always say the same. Nobody changes them.
var (
	// ErrUnauthorized and ErrForbidden are for Options.Authorize.
	ErrUnauthorized = &Error{Code: CodeUnauthorized, Message: "Sign in before joining this room."}
	ErrForbidden    = &Error{Code: CodeForbidden, Message: "You may not join this room."}
	// ErrUndecided: Options.Authorize ran out of time, which is not a final no.
	ErrUndecided = &Error{Code: CodeUnavailable, Message: "It was not decided in time whether you may join; try again in a moment."}
	// ErrStoreSilent: the store did not answer in time.
	ErrStoreSilent = &Error{Code: CodeUnavailable, Message: "The presence store did not answer in time; try again in a moment."}
	// ErrRemoved: the member was removed while it joined.
	ErrRemoved = &Error{Code: CodeUnavailable, Message: "This membership was removed before the join was answered; join again."}
	// ErrTooManyWaiting: the queue of the socket's requests for the room is full.
	ErrTooManyWaiting = &Error{
		Code: CodeRateLimited, RetryAfter: time.Second,
		Message: "Too many requests for this room are waiting; wait for their answers.",
	}
	// ErrAnswerLate: the turn of an answer with a large snapshot did not come.
	ErrAnswerLate = &Error{
		Code: CodeRateLimited, RetryAfter: 2 * time.Second,
		Message: "The answer is too large to send now, since too much waits for this connection or for others; try again in a moment.",
	}
	// ErrTooMuchUnsent: the large relayed events under way use up their budget.
	ErrTooMuchUnsent = &Error{
		Code: CodeRateLimited, RetryAfter: 2 * time.Second,
		Message: "Too many large events are on their way; try again in a moment.",
	}
	// ErrShuttingDown: this server is draining.
	ErrShuttingDown = &Error{Code: CodeShuttingDown, Message: "This server is shutting down; reconnect to reach another one."}
	// ErrAttachments: the request came with binary data.
	ErrAttachments = &Error{Code: CodeInvalidPayload, Message: "This request takes no binary data."}
)

// Invalid refuses a payload; the message is made as fmt.Sprintf does.
func Invalid(format string, args ...any) *Error {
	return &Error{Code: CodeInvalidPayload, Message: fmt.Sprintf(format, args...)}
}

// NotJoined refuses a request for a room that the connection is not in; with "", for all
// rooms of a connection that is in none.
func NotJoined(room string) *Error {
	if room == "" {
		return &Error{Code: CodeNotJoined, Message: "This connection is in no room; send presence:join first."}
	}
	return &Error{Code: CodeNotJoined, Message: fmt.Sprintf("This connection is not in room %q; send presence:join first.", room)}
}

// TooManyRooms refuses a join of a connection that is in as many rooms as it may be.
func TooManyRooms(limit int) *Error {
	return &Error{Code: CodeTooManyRooms, Message: fmt.Sprintf("A connection may be in %d rooms at most; leave one first.", limit)}
}

// StateTooLarge refuses a state of size bytes.
func StateTooLarge(size, limit int) *Error {
	return &Error{Code: CodeStateTooLarge, Message: fmt.Sprintf("The state has %d bytes; at most %d are allowed.", size, limit)}
}

// UnknownEvent refuses an event that no handler has and that is not relayed.
func UnknownEvent(event string) *Error {
	message := fmt.Sprintf("This server has no event %q", Clipped(event))
	if !eventname.Presence(event) && !eventname.Reserved(event) {
		message += ", and does not relay it: RELAY_EVENTS, in Go Options.RelayEvents, lists what it relays"
	}
	return &Error{Code: CodeUnknownEvent, Message: message + "."}
}

// Unsupported refuses a request of metadata or storage, which this server does not have.
func Unsupported(event string) *Error {
	return &Error{
		Code:    CodeUnsupported,
		Message: fmt.Sprintf("This server keeps neither metadata nor files: it has no %q.", Clipped(event)),
	}
}

// maxShown is how many bytes of a client's text are repeated in a sentence or a log
// line.
const maxShown = 64

// Clipped is the beginning of what a client sent, short enough for a sentence or a log line.
func Clipped(text string) string { return clip.Text(text, maxShown) }
