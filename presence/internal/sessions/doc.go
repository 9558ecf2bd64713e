// Package sessions is the sockets of a node and what they ask for: join, heartbeat and patch,
// leave, sync, and events that are relayed to other members.
//
// A Socket has a session for each of its rooms. A request is a task of the session's executor,
// which runs them one at a time in the order sent; what a request may cost is bounded here.
// A session finds out what a request is to do, and has package owned do it. The package also
// closes connections that have died, and shows members away whose connection is silent.
//
// The binding to Socket.IO calls it. Socket.mu guards the sessions of a socket and what waits
// of its requests, Sockets.mu which sockets there are. Rooms call a session with their lock
// held (owned.Session), so none of these locks is held when a room's is taken.
package sessions
