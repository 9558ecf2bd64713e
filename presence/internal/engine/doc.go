// Package engine is presence on one node, without any Socket.IO in it: the rooms that the
// node has open, the sockets and what they ask for, the members that the node owns, and
// what it does when nodes die, the store loses data, or nobody answers.
//
// A socket has a room session for each of its rooms. A request is a task of the session's
// executor, which runs them one at a time; so there is one writer of a member, and one
// write at a time. A room holds the node's replica and delivers its events under one lock.
// What became of a member that the store does not have as it should is found out in one
// place, check.go.
package engine
