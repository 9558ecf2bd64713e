// Package presence tells who is in a room, with what state, right now, over
// any number of servers.
//
// [Init] wires presence into a socketio.Server in one call; clients then speak
// the protocol of docs/protocol.md with any Socket.IO client. With a Redis (package
// presence/redis) the servers that share it are one cluster; without one the members
// live in this process.
package presence
