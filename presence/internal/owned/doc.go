// Package owned is the members that a node owns: it alone writes them, one write at a time.
//
// A Member begins by a join, a resume or a takeover (enter.go, resume.go, takeover.go). It has
// a session, which is a socket's place in the room, or a grace while it has no socket. What is
// written of it is a task of the serial executor of the one or the other (Writer). What became
// of a member that the store does not have as it should is found out in one place, check.go.
//
// Sessions call it for their requests, and the engine when nodes die, the store loses data or
// the node stops; a room calls it with each event and load. Room.Mu, the lock of the room,
// guards which members are owned, their session and grace. What is marked as of the executor
// only tasks of the executor touch. Room.Handoffs lets one resume, takeover or check of a member
// run at a time on this node: a holder may call the store, and takes no second one.
package owned
