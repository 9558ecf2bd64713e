package wire

// The first byte of what nodes send each other beside events says what it is.
const (
	// NodeBroadcast: then the length of the sender's id, the id, and a broadcast of
	// Socket.IO.
	NodeBroadcast = 1
	// NodeDisconnect: then a notice of package engine (disconnectNotice), as JSON. 2 and 3 were
	// questions of older versions.
	NodeDisconnect = 4
	// RoomEnd: then a notice of package core (endNotice), as JSON, in the channel of its room.
	RoomEnd = 5
)
