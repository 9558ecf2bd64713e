package lograte

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := Limit(slog.New(slog.NewTextHandler(&out, nil)))
		for i := range 100 {
			log.Warn("lost", "n", i)
			log.With("part", "x").Warn("lost")
			log.Error("lost")
			log.Info("told")
		}
		if got := strings.Count(out.String(), "lost"); got != 2 {
			t.Errorf("%d lines, want one of each level:\n%s", got, out.String())
		}
		if got := strings.Count(out.String(), "told"); got != 100 {
			t.Errorf("%d lines at info, want all", got)
		}
		out.Reset()
		time.Sleep(Interval)
		for range 3 {
			log.WithGroup("g").Warn("lost", "a", 1)
		}
		if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "repeated=199") {
			t.Errorf("after the interval: %s", text)
		}
	})
}

// What is remembered is bounded; what cannot be remembered is written.
func TestManyKinds(t *testing.T) {
	var out strings.Builder
	log := Limit(slog.New(slog.NewTextHandler(&out, nil)))
	for range 2 {
		for i := range maxKinds + 10 {
			log.Warn(fmt.Sprint("line ", i))
		}
	}
	if got := strings.Count(out.String(), "\n"); got != maxKinds+20 {
		t.Errorf("%d lines", got)
	}
	if n := len(log.Handler().(*handler).seen.kinds); n != maxKinds {
		t.Errorf("%d kinds are remembered", n)
	}
}
