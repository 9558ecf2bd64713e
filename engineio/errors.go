package engineio

import "errors"

// Errors of [Session.Send] and [Session.SendWithin].
var (
	// ErrClosed says that the session is closed or closing; nothing was queued.
	ErrClosed = errors.New("engineio: session is closed")
	// ErrSlowConsumer says that the frames did not fit into the session's queue, and that the
	// session is being closed for it.
	ErrSlowConsumer = errors.New("engineio: session closed, its queue is full")
	// ErrTooLarge says that nothing was queued of a message above [Config].MaxQueueBytes: another one is
	// on its way to the session, or those on their way to all sessions leave no room in MaxLargeBytes.
	ErrTooLarge = errors.New("engineio: no room for a message of this size at the moment")
	// ErrFull is returned by [Session.SendWithin]; nothing was queued.
	ErrFull = errors.New("engineio: too much waits to be sent")
)

// Reason says why a session ended. The texts are those of Socket.IO where it has one.
type Reason string

// The reasons that this package gives. [Session.Close] accepts any other text as well.
const (
	ReasonTransportClose Reason = "transport close"      // the client closed, or its connection broke
	ReasonTransportError Reason = "transport error"      // the client misused its transport
	ReasonPingTimeout    Reason = "ping timeout"         // no pong came
	ReasonForcedClose    Reason = "forced close"         // the application closed it
	ReasonShutdown       Reason = "server shutting down" // Server.Close
	ReasonSlowConsumer   Reason = "slow consumer"        // it did not take what was queued for it
	ReasonParseError     Reason = "parse error"          // the client sent what is no packet
	ReasonInternalError  Reason = "internal error"       // its Handler panicked
)
