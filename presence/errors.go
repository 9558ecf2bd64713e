package presence

import (
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
