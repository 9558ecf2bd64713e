// Package core is what all parts of one node share: its settings, its store and clock, its
// goroutines and pools, how it calls the store, the writes in doubt, and what the node knows
// of losses and of lives that have ended.
//
// The packages above embed a Node: rooms, owned, sessions and engine, in this order. Everything
// in a Node that changes is safe for concurrent use; it takes no lock of a package above.
package core
