package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/origin"
	"github.com/realtime-ai/realtime-message-go/presence/redis"
)

// Number is a whole number between the min and max tags of its field.
type Number int64

// Decode implements kong.MapperValue.
func (n *Number) Decode(ctx *kong.DecodeContext) error {
	text, err := pop(ctx)
	if err != nil {
		return err
	}
	low, high := bound(ctx, "min"), bound(ctx, "max")
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || text[0] == '+' || v < low || v > high {
		return fmt.Errorf("must be a whole number from %d to %d, not %q", low, high, text)
	}
	*n = Number(v)
	return nil
}

// Millis is the number as milliseconds.
func (n Number) Millis() time.Duration { return time.Duration(n) * time.Millisecond }

func bound(ctx *kong.DecodeContext, tag string) int64 {
	v, err := strconv.ParseInt(ctx.Value.Tag.Get(tag), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

func pop(ctx *kong.DecodeContext) (string, error) {
	var text string
	err := ctx.Scan.PopValueInto("value", &text)
	return text, err
}

// Host is an address or a host name, without a port; empty means all interfaces.
type Host string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Host) UnmarshalText(text []byte) error {
	s := string(text)
	if _, err := netip.ParseAddr(s); err != nil && strings.Trim(s, hostChars) != "" {
		return fmt.Errorf("must be an IP address or a host name without a port, not %q", s)
	}
	*h = Host(s)
	return nil
}

const hostChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// Origins is a comma-separated list of web origins, or *.
type Origins []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Origins) UnmarshalText(text []byte) (err error) {
	*o, err = list(text, origin.Parse, "origins such as https://example.com or https://*.example.com, or *")
	return err
}

// Hosts is a comma-separated list of host names and addresses.
type Hosts []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hosts) UnmarshalText(text []byte) (err error) {
	*h, err = list(text, origin.ParseHosts, "hosts such as chat.example.com or *.example.com")
	return err
}

// Patterns is a comma-separated list of event names, each with at most one *,
// at its end.
type Patterns []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Patterns) UnmarshalText(text []byte) (err error) {
	*p, err = list(text, eventname.Parse, "event names such as cursor or chat:*")
	return err
}

// list reads a list whose entries check must accept; what says what belongs there.
func list[T any](text []byte, check func([]string) (T, error), what string) ([]string, error) {
	parts := split(string(text))
	if _, err := check(parts); err != nil {
		return nil, fmt.Errorf("must list %s; %w", what, err)
	}
	return parts, nil
}

func split(list string) []string {
	var parts []string
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			parts = append(parts, s)
		}
	}
	return parts
}

// LogLevel is debug, info, warn or error.
type LogLevel struct{ slog.Level }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *LogLevel) UnmarshalText(text []byte) error {
	switch s := strings.ToLower(string(text)); s {
	case "debug", "info", "warn", "error":
		return l.Level.UnmarshalText([]byte(s))
	}
	return fmt.Errorf("must be debug, info, warn or error, not %q", text)
}

// LogFormat is text or json.
type LogFormat string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *LogFormat) UnmarshalText(text []byte) error {
	if s := string(text); s != "text" && s != "json" {
		return fmt.Errorf("must be text or json, not %q", s)
	}
	*f = LogFormat(text)
	return nil
}

// RedisURL is the URL of a Redis, which may hold a password: print it with
// Redacted only.
type RedisURL string

// UnmarshalText implements encoding.TextUnmarshaler. Its errors do not repeat
// the URL.
func (r *RedisURL) UnmarshalText(text []byte) error {
	if _, err := redis.New(redis.Options{URL: string(text)}); err != nil {
		return fmt.Errorf("must be a URL such as redis://localhost:6379: %w", cause(err))
	}
	*r = RedisURL(text)
	return nil
}

// RedisPrefix is what begins all keys and channels.
type RedisPrefix string

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *RedisPrefix) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" || strings.ContainsAny(s, " \t\r\n") {
		return fmt.Errorf("must be a prefix such as prs:, without spaces, not %q", s)
	}
	if _, err := redis.New(redis.Options{URL: "redis://localhost", Prefix: s}); err != nil {
		return fmt.Errorf("must be a prefix such as prs:, not %q: %w", s, cause(err))
	}
	*p = RedisPrefix(s)
	return nil
}

// cause is an error without the name of the option of the library, which this one is
// not called.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// Redacted is the URL without its user, password and options.
func (r RedisURL) Redacted() string {
	u, err := url.Parse(string(r))
	if err != nil {
		return "a URL that cannot be parsed"
	}
	if u.User != nil {
		u.User = url.User("redacted")
	}
	u.RawQuery = ""
	return u.String()
}
