package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Options configure a Store. Only URL has no default.
type Options struct {
	// URL says where Redis is: redis://, rediss:// (TLS) or unix://, with
	// user, password and database number. Further addr=host:port parameters
	// name more nodes of a Cluster, or with master_set=name the Sentinels
	// that watch that master; those are asked without a password. A Cluster is
	// also found behind a single address. publish=plain is ForcePlainPublish.
	URL string
	// Prefix begins every key and channel; default "prs:". It holds no braces.
	Prefix string
	// TTL is how long a connection's record lives without a refresh; default 30 s.
	TTL time.Duration
	// DialTimeout bounds how long a connection may take to be made; default 2 s.
	DialTimeout time.Duration
	// ForcePlainPublish uses PUBLISH also on a Cluster of Redis 7 or newer,
	// where SPUBLISH is the default: for a proxy that does not know it.
	ForcePlainPublish bool
	// Logger is told of lost subscriptions and messages that cannot be read;
	// default: silent.
	Logger *slog.Logger
}

// stallTime is how long a connection may owe an answer before it is cut. It is
// checked once a second.
const stallTime = 2 * time.Second

// refreshTime is how often the client library looks for new masters by itself.
// What it is told by those that are there is quicker, but may get lost.
const refreshTime = 2 * time.Second

// buffer is the size of read and write buffers. A connection has one of each.
const buffer = 64 << 10

func (o *Options) normalize() error {
	if o.URL == "" {
		return errors.New("redisstore: Options.URL is empty")
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		return errors.New("redisstore: Options.Prefix has a brace, which would change where a Cluster keeps the keys")
	}
	if o.Prefix == "" {
		o.Prefix = "prs:"
	}
	if o.TTL <= 0 {
		o.TTL = 30 * time.Second
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// clientOption tunes the client library: nothing is retried, and a connection
// that does not answer is given up soon.
func clientOption(ctx context.Context, o *Options) (rueidis.ClientOption, error) {
	opt, err := rueidis.ParseURL(o.URL)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // the error itself repeats the URL, password and all
		}
		return opt, fmt.Errorf("redisstore: Options.URL: %w", err)
	}
	opt.DisableCache = true
	opt.DisableRetry = true
	opt.ClientSetInfo = rueidis.DisableClientSetInfo // a command of Redis 7.2
	opt.AlwaysPipelining = true
	opt.PipelineMultiplex = -1 // one connection: larger batches, and cheaper
	opt.RingScaleEachConn = 8
	opt.ReadBufferEachConn, opt.WriteBufferEachConn = buffer, buffer
	opt.BlockingPipeline = -1 // no pool of connections for large batches
	opt.ConnWriteTimeout = stallTime
	opt.Dialer.KeepAlive = time.Second // how often an idle connection is asked
	opt.Dialer.Timeout = o.DialTimeout
	if end, ok := ctx.Deadline(); ok {
		opt.Dialer.Timeout = min(o.DialTimeout, max(time.Until(end), time.Millisecond))
	}
	opt.ClusterOption.MaxMovedRedirections = 5
	opt.ClusterOption.ShardsRefreshInterval = refreshTime
	opt.Sentinel.TopologyRefreshInterval = refreshTime
	opt.Sentinel.Dialer, opt.Sentinel.TLSConfig = opt.Dialer, opt.TLSConfig
	return opt, nil
}

// wantsPlain reads publish=plain in a URL that is known to be one.
func wantsPlain(text string) (bool, error) {
	u, err := url.Parse(text)
	if err != nil {
		return false, err
	}
	switch how := u.Query()["publish"]; {
	case len(how) == 0:
		return false, nil
	case len(how) == 1 && how[0] == "plain":
		return true, nil
	}
	return false, errors.New("redisstore: Options.URL: publish can only be plain")
}

// addresses names where a client connects to.
func addresses(o *rueidis.ClientOption) string { return strings.Join(o.InitAddress, ", ") }

// majorVersion reads the answer to INFO.
func majorVersion(info string) (int, error) {
	version := infoField(info, "redis_version")
	digits, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("its version %q is not understood", version)
	}
	return n, nil
}
