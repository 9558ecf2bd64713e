package lograte

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs f with a limited logger and what it writes, in fake time.
func inBubble(t *testing.T, f func(t *testing.T, log *slog.Logger, out *strings.Builder)) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		options := &slog.HandlerOptions{Level: slog.LevelDebug}
		f(t, Limit(slog.New(slog.NewTextHandler(&out, options)), time.Minute), &out)
	})
}

func TestLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, log *slog.Logger, out *strings.Builder) {
		for i := range 100 {
			log.Debug("seen", "n", i)
			log.Info("told")
			log.Warn("lost")
			log.Error("broken")
		}
		for text, want := range map[string]int{"seen": 100, "told": 1, "lost": 1, "broken": 100} {
			if got := strings.Count(out.String(), text); got != want {
				t.Errorf("%d lines %q, want %d", got, text, want)
			}
		}
		out.Reset()
		time.Sleep(time.Minute)
		for range 3 {
			log.Warn("lost")
		}
		if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "repeated=99") {
			t.Errorf("after the interval: %s", text)
		}
	})
}

// A line is not hidden by another one with the same message.
func TestOtherAttributesAreAnotherLine(t *testing.T) {
	inBubble(t, func(t *testing.T, log *slog.Logger, out *strings.Builder) {
		for range 3 {
			log.Warn("lost", "server", "10.0.0.1:6379")
			log.Warn("lost", "server", "10.0.0.2:6379")
			log.With("server", "10.0.0.3:6379").Warn("lost")
			log.WithGroup("g").Warn("lost", "server", "10.0.0.1:6379")
		}
		if got := strings.Count(out.String(), "\n"); got != 4 {
			t.Errorf("%d lines, want 4:\n%s", got, out)
		}
		out.Reset()
		for port := range 100 {
			err := fmt.Errorf("read tcp 10.0.0.9:%d->10.0.0.1:6379: i/o timeout", 30000+port)
			log.Warn("cut", "error", err)
		}
		if got := strings.Count(out.String(), "\n"); got != 1 {
			t.Errorf("%d lines for one connection after the other, want 1:\n%s", got, out)
		}
	})
}

// Attributes that never repeat do not fill the log, nor the memory, and do not
// keep lines of later from being told apart.
func TestManyVariants(t *testing.T) {
	inBubble(t, func(t *testing.T, log *slog.Logger, out *strings.Builder) {
		for minute := range 3 {
			out.Reset()
			for i := range 1000 {
				log.Warn("slow", "user", minute*1000+i)
			}
			if got := strings.Count(out.String(), "\n"); got != Variants+1 {
				t.Errorf("%d lines in a minute, want %d", got, Variants+1)
			}
			if repeated := fmt.Sprint("repeated=", 1000-Variants-1); minute > 0 && strings.Count(out.String(), repeated) != 1 {
				t.Errorf("no line tells how many were left out:\n%s", out)
			}
			time.Sleep(time.Minute)
		}
		seen := log.Handler().(*handler).seen
		for _, m := range seen.messages {
			if len(m.variants) > Variants {
				t.Errorf("%d variants are remembered", len(m.variants))
			}
		}
	})
}

// What is remembered is bounded; what cannot be remembered is written.
func TestManyMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, log *slog.Logger, out *strings.Builder) {
		for range 2 {
			for i := range maxMessages + 10 {
				log.Warn(fmt.Sprint("line ", i))
			}
		}
		if got := strings.Count(out.String(), "\n"); got != maxMessages+20 {
			t.Errorf("%d lines", got)
		}
		if n := len(log.Handler().(*handler).seen.messages); n != maxMessages {
			t.Errorf("%d messages are remembered", n)
		}
	})
}
