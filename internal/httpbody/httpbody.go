// Package httpbody answers requests whose body nobody reads.
package httpbody

import (
	"net/http"
	"time"
)

// RestTimeout is how long the rest of a body is waited for after the answer: closing at once could
// destroy the answer on its way.
const RestTimeout = time.Second

// Drop lets r be answered at once although its body has not been read, and its connection be closed
// then. Without it net/http reads the body first, for as long as the client takes to send it. Call it
// before the header is written.
func Drop(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	if r.ProtoMajor == 1 { // HTTP/2 has a stream for each request
		w.Header().Set("Connection", "close")
	}
	// Unsupported: then the HTTP server's own limits hold.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(RestTimeout))
}

// AnswerTimeout is how long a client may take to take a short answer.
const AnswerTimeout = 10 * time.Second

// LimitAnswer bounds the time in which a client must take the answer to this request, and to those
// that follow on its connection until AnswerLimitOff. Without it a client that does not read keeps its
// connection open without a bound, and a shutdown waits for it.
func LimitAnswer(w http.ResponseWriter) {
	// Unsupported: then the HTTP server's own limits hold.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(AnswerTimeout))
}

// AnswerLimitOff ends LimitAnswer. What has been written must have been flushed.
func AnswerLimitOff(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}
