package presence

import (
	"context"
	"errors"

	"github.com/realtime-ai/realtime-message-go/internal/clip"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Code is the machine-readable half of a refusal, the same on the wire, here
// and in the TypeScript SDK.
type Code = wire.Code

// The codes of the wire protocol.
const (
	// CodeInvalidPayload: a field is missing, empty, of the wrong type, too
	// long, not valid UTF-8 or has a control character.
	CodeInvalidPayload = wire.CodeInvalidPayload
	// CodeStateTooLarge: the state after the merge is over Options.MaxStateBytes.
	CodeStateTooLarge = wire.CodeStateTooLarge
	// CodeNotJoined: a request for a room that this connection is not in.
	CodeNotJoined = wire.CodeNotJoined
	// CodeTooManyRooms: a join over Options.MaxRooms.
	CodeTooManyRooms = wire.CodeTooManyRooms
	// CodeUnauthorized: identity missing or wrong.
	CodeUnauthorized = wire.CodeUnauthorized
	// CodeForbidden: this identity may not do this.
	CodeForbidden = wire.CodeForbidden
	// CodeRateLimited: over a limit; Error.RetryAfter says how long.
	CodeRateLimited = wire.CodeRateLimited
	// CodeUnknownEvent: no handler has this event, and it is not relayed.
	CodeUnknownEvent = wire.CodeUnknownEvent
	// CodeUnsupported: a request of a feature that this server does not have.
	CodeUnsupported = wire.CodeUnsupported
	// CodeUnavailable: the store did not answer in time.
	CodeUnavailable = wire.CodeUnavailable
	// CodeShuttingDown: this server is draining.
	CodeShuttingDown = wire.CodeShuttingDown
	// CodeInternal: a bug; logged with the id that the sentence repeats.
	CodeInternal = wire.CodeInternal
)

// Error is a refusal as a client sees it. errors.Is treats two Errors of one
// Code as the same, so errors.Is(err, presence.ErrForbidden) works for each.
type Error = wire.Error

// Errors for Options.Authorize to return, as they are or wrapped, and for
// errors.Is.
var (
	ErrUnauthorized = wire.ErrUnauthorized
	ErrForbidden    = wire.ErrForbidden
)

// Errors of methods of a Runtime, for errors.Is.
var (
	// ErrUnavailable says that the store did not answer in time. What was to be
	// written may stand, or not.
	ErrUnavailable = store.ErrUnavailable
	// ErrClosed says that the Runtime has closed.
	ErrClosed = store.ErrClosed
)

// maxLogged is how many bytes of an error are logged: it may repeat what a client
// sent, or have a stack.
const maxLogged = 8 << 10

func clippedError(err error) string { return clip.Text(err.Error(), maxLogged) }

// logLate says that a request was given up because its turn for an answer with a
// snapshot did not come.
func (e *engine) logLate(room string, s *socket) {
	e.faults.Warn("join or sync refused: no memory for its large answer within 10 s; see MAX_LARGE_BYTES",
		"reason", wire.ErrAnswerLate.Code, "room", wire.Clipped(room), "user", wire.Clipped(s.users()), "address", s.peer.address())
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
			return wire.ErrShuttingDown
		}
		e.faults.Warn("store did not answer", "doing", doing, "error", clippedError(err))
		return wire.ErrStoreSilent
	}
	id := randomID(9)
	e.log.Error("internal error", "id", id, "doing", doing, "error", clippedError(err))
	return &Error{Code: CodeInternal, Message: "Something went wrong on the server; report it with the id " + id + "."}
}
