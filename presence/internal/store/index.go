package store

import "time"

// UserTTL is how long the entries of a user stay after the last AddUser for that user. It
// is the safety net for an entry whose removal was lost: owners write the entries of their
// members again well before it ends.
const UserTTL = time.Hour

// NodeRoom says that a node may have members in a room.
type NodeRoom struct {
	Node string
	Room string
	// ExpiresMs is the store's time, in Unix ms, after which a write of the entry does
	// nothing; 0: never.
	ExpiresMs int64
}

// UserEntry says where a user is, and in which life.
type UserEntry struct {
	UserID string
	Room   string
	ConnID string
	// Life is that of the member. It decides whether a removal is about this entry.
	Life string
	// ExpiresMs is that of NodeRoom.
	ExpiresMs int64
}

// Location is where a user is.
type Location struct {
	Room   string
	ConnID string
}
