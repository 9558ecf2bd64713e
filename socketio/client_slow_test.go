package socketio

import (
	"bufio"
	"io"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
)

// A client that does not read the file which it asked for is cut off, and another one keeps its
// connection.
func TestClientFileIsTakenInTime(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		for _, waits := range []time.Duration{httpbody.AnswerTimeout - 1, httpbody.AnswerTimeout + 1} {
			conn, err := e.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			ask := func() {
				_, err := io.WriteString(conn, "GET /socket.io/socket.io.js HTTP/1.1\r\nHost: test\r\n\r\n")
				if err != nil {
					t.Fatal(err)
				}
			}
			ask()
			time.Sleep(waits)
			n, err := io.CopyN(io.Discard, in, int64(len(clientScript)))
			if took := err == nil; took != (waits < httpbody.AnswerTimeout) {
				t.Errorf("read after %v: %d bytes, %v", waits, n, err)
			}
			conn.Close()
		}
	})
}
