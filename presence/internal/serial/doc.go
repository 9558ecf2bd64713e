// Package serial is the machinery with which a node runs its work. An Executor runs tasks
// one at a time. A FairPool bounds how much runs at once, and lets rooms take turns. A
// RetryQueue repeats the writes that got no answer, in their order. Deadlines are the
// contexts of calls of the store, and Buffers the memory in which answers are written.
//
// The package knows nothing of presence: for it a room is a string by which work is
// grouped, a write is a function, and the store is what a function may wait for.
package serial
