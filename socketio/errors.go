package socketio

import (
	"encoding/json"
	"errors"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// Errors that methods of this package return, sometimes wrapped.
var (
	// ErrDisconnected says that the socket is not connected: it has left, or a
	// [Middleware] still decides.
	ErrDisconnected = errors.New("socketio: socket is disconnected")
	// ErrAnswered says that a message was acknowledged before.
	ErrAnswered = errors.New("socketio: message was acknowledged already")
	// ErrTooLarge says that a packet above the bound of a connection's queue was not
	// sent, since another one is on its way to that connection, or those on their way to
	// all connections leave no room for it: see engineio.Config.MaxLargeBytes.
	ErrTooLarge = errors.New("socketio: no room for a packet of this size at the moment")
	// ErrBusy says that a connection has too much to send already; nothing was queued.
	ErrBusy = errors.New("socketio: too much waits to be sent to this socket")
	// ErrRoomName says that a name is that of a socket and cannot be a room's.
	ErrRoomName = errors.New("socketio: a room cannot be named like the id of a socket")
	// ErrNamespace says that a packet was made for another namespace.
	ErrNamespace = errors.New("socketio: packet belongs to another namespace")
)

// errInternal is all that a client hears of a handler that panicked.
var errInternal = errors.New("internal error")

// ConnectError is returned by a [Middleware] to tell a refused client more than
// a sentence.
type ConnectError struct {
	Message string // a sentence that the client can show or act on
	Data    any    // encoded as JSON; nil leaves it out
}

// Error returns the message.
func (e *ConnectError) Error() string { return e.Message }

// AckError is returned by a [Handler] to answer the message that it handles
// with {"ok":false,"error":Message,"code":Code}. It is the client's fault and
// so not logged as an error of the server.
type AckError struct {
	Code    string // for programs
	Message string // for people: what to do
}

// Error returns the message.
func (e *AckError) Error() string { return e.Message }

// ackPayload is the answer to a message whose handler failed. Errors that are
// not an AckError stay secret.
func ackPayload(err error) json.RawMessage {
	reply := &AckError{Code: "internal", Message: errInternal.Error()}
	errors.As(err, &reply)
	b := append([]byte(nil), `{"ok":false,"error":`...)
	b = jsontext.AppendString(b, reply.Message)
	b = append(b, `,"code":`...)
	b = jsontext.AppendString(b, reply.Code)
	return append(b, '}')
}

var errRefused = &ConnectError{Message: "The server refused this connection."}

// connectErrorPayload is the body of a CONNECT_ERROR packet. Errors that are
// not a ConnectError stay secret.
func connectErrorPayload(err error) []byte {
	refusal := errRefused
	if errors.Is(err, errInternal) {
		refusal = &ConnectError{Message: errInternal.Error()}
	}
	errors.As(err, &refusal)
	b := append([]byte(nil), `{"message":`...)
	b = jsontext.AppendString(b, refusal.Message)
	if refusal.Data != nil {
		if data, err := marshalJSON(refusal.Data); err == nil && jsontext.Valid(data) {
			b = append(append(b, `,"data":`...), data...)
		}
	}
	return append(b, '}')
}
