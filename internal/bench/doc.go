// Package bench puts a bounded load on presence servers and measures what it
// costs: CPU time of the servers and of Redis per operation, latency, memory
// per connection, and whether every event arrived, once and in order.
//
// A run has two phases. In the ramp-up everybody connects and joins; in the
// load they do what the workload is about (load.go). A member (member.go) is
// one user with one connection, whose reader goroutine handles all that comes
// (receive.go) and parses as little of it as it has to (wire.go). Each stay in
// a room judges its events by their numbers (stay.go, sequence.go), and the
// room compares what came to all of them with what was done there (room.go).
// The observer (observer.go) cuts the run into intervals, from which the report
// and its forms are made (report.go, table.go, benchfmt.go, html.go).
//
// Requests at a fixed rate do not wait for answers, and their latency counts
// from when they were due, so that a stall of the server or of a connection is
// not hidden by what was not sent during it.
package bench
