// Package largenode measures a node that has more members than a process may open files: a few
// hundred thousand, whose connections are package memconn's. Everything of the server is as in
// production, from the HTTP handshake on; only the descriptors and the kernel are missing.
//
// A run has parts, each in a process of its own: Control is the far ends and the connections without
// a server, and RunNode the same with one. What the first takes is subtracted from what the second
// takes.
package largenode
