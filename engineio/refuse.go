package engineio

import (
	"net/http"
	"strconv"

	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
)

// refusal is how a request is turned down; on the wire {"code":…,"message":…}.
type refusal struct {
	code    int // of the protocol
	message string
	status  int // of HTTP
}

// The refusals of the protocol, with its codes and texts.
var (
	unknownTransport = refusal{0, "Transport unknown", http.StatusBadRequest}
	unknownSession   = refusal{1, "Session ID unknown", http.StatusBadRequest}
	badMethod        = refusal{2, "Bad handshake method", http.StatusBadRequest}
	badRequest       = refusal{3, "Bad request", http.StatusBadRequest}
	forbidden        = refusal{4, "Forbidden", http.StatusForbidden}
	badVersion       = refusal{5, "Unsupported protocol version", http.StatusBadRequest}

	tooLarge  = refusal{3, "Payload too large", http.StatusRequestEntityTooLarge}
	bigHeader = refusal{3, "Request header too large", http.StatusRequestHeaderFieldsTooLarge}
	draining  = refusal{4, "Server is shutting down", http.StatusServiceUnavailable}
)

// write answers r. It does not wait for a body that is still on its way.
func (f refusal) write(w http.ResponseWriter, r *http.Request) {
	httpbody.Drop(w, r)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(f.status)
	body := append([]byte(`{"code":`), strconv.Itoa(f.code)...)
	body = append(body, `,"message":"`...)
	body = append(body, f.message...)
	w.Write(append(body, `"}`...))
}
