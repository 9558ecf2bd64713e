package wire

// The first byte of what nodes send each other beside events says what it is.
const (
	// NodeBroadcast: then the length of the sender's id, the id, and a broadcast of
	// Socket.IO.
	NodeBroadcast = 1
	// NodeDisconnect: then a DisconnectNotice, as JSON. 2 and 3 were questions of older versions.
	NodeDisconnect = 4
	// RoomEnd: then an EndNotice, as JSON, in the channel of its room.
	RoomEnd = 5
)
