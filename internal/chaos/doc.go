// Package chaos breaks a running cluster on purpose and judges what its
// clients see.
//
// A world is real realtime processes on a real Redis, with proxies in between
// that cut, delay and swallow, and hundreds of clients. Each client does what
// the protocol asks of one (session.go, view.go): it joins several rooms,
// keeps a member map of each, patches, leaves, loses its connection, resumes.
// What every client asked for and was answered is written down as the truth
// (truth.go). A round (round.go) lets the clients work, does one fault
// (faults.go), lets the clients rest, waits until all their maps agree with
// each other, with the truth and with Redis, and judges every event that any
// of them heard. The rounds become a table (table.go).
//
// The short schedule is a test like any other; the whole one is make chaos.
package chaos
