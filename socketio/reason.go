package socketio

// DisconnectReason says why a socket was disconnected. When the connection
// below ended, it is the text of the engineio.CloseReason.
type DisconnectReason string

// Reasons for which a socket is disconnected. The ones not explained here are
// those of package engineio.
const (
	// ClientDisconnect: the client sent a disconnect packet.
	ClientDisconnect DisconnectReason = "client namespace disconnect"
	// ServerDisconnect: [Socket.Disconnect] was called.
	ServerDisconnect DisconnectReason = "server namespace disconnect"
	// ParseError: the client sent something that is not the protocol.
	ParseError DisconnectReason = "parse error"
	// ConnectTimeout: the client joined no namespace in time. No socket is
	// ever told so, but logs are.
	ConnectTimeout DisconnectReason = "connect timeout"
)

// Clean reports whether one side said goodbye with a disconnect packet. If
// not, the transport was lost or closed, and the client may well come back.
func (r DisconnectReason) Clean() bool {
	return r == ClientDisconnect || r == ServerDisconnect
}
