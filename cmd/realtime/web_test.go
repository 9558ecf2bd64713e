package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What clients can cause in net/http is told as a warning, and cannot fill the log; panics are errors.
func TestErrorLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := &errorLog{log: slog.New(slog.NewTextHandler(&out, nil))}
		write := func(n int) {
			for i := range n {
				fmt.Fprintf(log, "http: TLS handshake error from %d\n", i)
			}
		}
		write(1000)
		fmt.Fprint(log, "http: panic serving 1.2.3.4:5: oops\n\ngoroutine 1\n")
		if n := strings.Count(out.String(), "level=WARN"); n != errorsPerMinute {
			t.Errorf("%d warnings", n)
		}
		if n := strings.Count(out.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors", n)
		}
		time.Sleep(time.Minute)
		write(1)
		if want := fmt.Sprintf("left_out=%d", 1000-errorsPerMinute); !strings.Contains(out.String(), want) {
			t.Errorf("logged %s", out.String())
		}
	})
}
