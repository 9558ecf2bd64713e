// Package access is how servers of Redis are reached: the URL, TLS, dialling, what the user must be allowed
// to do, and what to do about answers that say that a server or a connection is of no use.
package access

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

// Options configure a Store: what redis.Options documents, and what the engine sets.
// Only URL has no default.
type Options struct {
	URL, Prefix                        string
	DialTimeout                        time.Duration
	PlainPublish                       bool
	TLS                                *tls.Config
	SentinelUsername, SentinelPassword string

	// TTL is how long a connection's record lives without a refresh; default 30 s.
	TTL time.Duration
	// Namespace is of whose sockets the members are: each but "/", the default, has keys
	// and channels of its own.
	Namespace string
	// Lease is how old the life sign of a node that lives may be; default 4 s.
	Lease time.Duration
	// Corker is that of store.Settings.
	Corker store.Corker
	// Logger gets lost subscriptions, messages that cannot be read, and answers of Redis
	// that need attention. A line that repeats is written once a minute. Default: silent.
	Logger *slog.Logger

	// Ahead makes the store write as one of a later version: the number of that and the
	// fields that it adds to the header of a member, each with a tab before it. For tests
	// of two versions side by side; empty: as this version does.
	Ahead string
}

// StallTime is how long a connection may owe an answer before it is cut. It is
// checked once a second.
const StallTime = 2 * time.Second

// refreshTime is how often the client library looks for new masters by itself. Notices of
// the servers come earlier, but may get lost.
const refreshTime = 2 * time.Second

// buffer is the size of read and write buffers. A connection has one of each.
const buffer = 64 << 10

const (
	minDialTime = time.Millisecond
	maxDialTime = time.Minute
	maxTTL      = 30 * 24 * time.Hour
	maxPrefix   = 128
)

// checkPrefix reports why a Prefix cannot be used; the empty one can.
func checkPrefix(prefix string) error {
	switch {
	case strings.ContainsAny(prefix, "{}"):
		return errors.New("it has a brace, which would change where a Cluster keeps the keys")
	case len(prefix) > maxPrefix:
		return fmt.Errorf("it is longer than %d bytes", maxPrefix)
	case !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("it has a control character, or is not UTF-8")
	}
	return nil
}

// Normalize checks the options, fills in the defaults, and reads the URL.
func (o *Options) Normalize() (*Location, error) {
	if o.URL == "" {
		return nil, errors.New("redis: Options.URL is empty")
	}
	l, err := parseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("redis: Options.URL: %w", err)
	}
	if err := checkPrefix(o.Prefix); err != nil {
		return nil, fmt.Errorf("redis: Options.Prefix: %w", err)
	}
	if o.Prefix == "" {
		o.Prefix = "prs:"
	}
	if o.TTL == 0 {
		o.TTL = 30 * time.Second
	}
	if o.Lease == 0 {
		o.Lease = 4 * time.Second
	}
	if o.TTL < time.Millisecond || o.TTL > maxTTL {
		return nil, fmt.Errorf("redis: Options.TTL is %v; it must be from 1ms to %v", o.TTL, maxTTL)
	}
	switch {
	case o.DialTimeout != 0 && l.dialTimeout != 0:
		return nil, errors.New("redis: Options.DialTimeout and dial_timeout of Options.URL exclude each other")
	case l.dialTimeout != 0:
		o.DialTimeout = l.dialTimeout
	case o.DialTimeout == 0:
		o.DialTimeout = 2 * time.Second
	}
	if o.DialTimeout < minDialTime || o.DialTimeout > maxDialTime {
		return nil, fmt.Errorf("redis: Options.DialTimeout is %v; it must be from %v to %v", o.DialTimeout, minDialTime, maxDialTime)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return l, o.mergeSentinel(l)
}

// mergeSentinel adds the user and the password for Sentinels to what the URL says.
func (o *Options) mergeSentinel(l *Location) error {
	if o.SentinelUsername == "" && o.SentinelPassword == "" {
		return nil
	}
	switch {
	case l.MasterSet == "":
		return errors.New("redis: Options.SentinelUsername and SentinelPassword need a master_set in Options.URL")
	case l.sentinelPassword != "":
		return errors.New("redis: Options.SentinelPassword and sentinel_password of Options.URL exclude each other")
	case o.SentinelPassword == "":
		return errors.New("redis: Options.SentinelUsername needs a SentinelPassword")
	}
	l.sentinelUser, l.sentinelPassword = o.SentinelUsername, o.SentinelPassword
	return nil
}

// ClientOption tunes the client library: nothing is retried, and a connection
// that does not answer is given up soon.
func ClientOption(ctx context.Context, o *Options, l *Location) rueidis.ClientOption {
	opt := l.clientOption()
	opt.DisableCache = true
	opt.DisableRetry = true
	opt.ClientSetInfo = rueidis.DisableClientSetInfo // a command of Redis 7.2
	opt.AlwaysPipelining = true
	opt.PipelineMultiplex = -1 // one connection: larger batches, and cheaper
	opt.RingScaleEachConn = 8
	opt.ReadBufferEachConn, opt.WriteBufferEachConn = buffer, buffer
	opt.BlockingPipeline = -1 // no pool of connections for large batches
	opt.ConnWriteTimeout = StallTime
	opt.Dialer.KeepAlive = time.Second // how often an idle connection is asked
	opt.Dialer.Timeout = o.DialTimeout
	if end, ok := ctx.Deadline(); ok {
		opt.Dialer.Timeout = min(o.DialTimeout, max(time.Until(end), time.Millisecond))
	}
	opt.ClusterOption.MaxMovedRedirections = 5
	opt.ClusterOption.ShardsRefreshInterval = refreshTime
	opt.Sentinel.TopologyRefreshInterval = refreshTime
	opt.Sentinel.Dialer = opt.Dialer
	return opt
}
