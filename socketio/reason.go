package socketio

import "github.com/realtime-ai/realtime-message-go/engineio"

// Reason says why a socket was disconnected: one of the reasons of this package,
// or one of those of package engineio when the connection below ended.
type Reason = engineio.Reason

// The reasons for which a socket is disconnected while its connection goes on.
const (
	// ReasonClientDisconnect: the client sent a disconnect packet.
	ReasonClientDisconnect Reason = "client namespace disconnect"
	// ReasonServerDisconnect: [Socket.Disconnect] was called.
	ReasonServerDisconnect Reason = "server namespace disconnect"
)

// reasonConnectTimeout: the client joined no namespace in time. It is the end of
// a connection without a socket, so that only the log has it.
const reasonConnectTimeout Reason = "connect timeout"
