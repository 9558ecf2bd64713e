package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/lograte"
)

// What clients can cause in net/http is told as a warning, and cannot fill the log; panics are errors.
func TestErrorLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := newErrorLog(slog.New(slog.NewTextHandler(&out, nil)))
		write := func(n int) {
			for i := range n {
				fmt.Fprintf(log, "http: TLS handshake error from %d\n", i)
			}
		}
		write(1000)
		fmt.Fprint(log, "http: panic serving 1.2.3.4:5: oops\n\ngoroutine 1\n")
		if n := strings.Count(out.String(), "level=WARN"); n != lograte.Variants+1 {
			t.Errorf("%d warnings", n)
		}
		if n := strings.Count(out.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors", n)
		}
		time.Sleep(time.Minute)
		write(100)
		if want := fmt.Sprintf("repeated=%d", 1000-lograte.Variants-1); !strings.Contains(out.String(), want) {
			t.Errorf("logged %s", out.String())
		}
	})
}
