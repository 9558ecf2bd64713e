// Package redis has the members of package presence live in Redis 6 or newer: a
// single server, one behind Sentinels, or a Cluster. All servers that share it are
// one cluster of presence.
//
//	members, err := redis.New(redis.Options{URL: "redis://localhost:6379"})
//	if err != nil {
//		return err
//	}
//	rt, err := presence.Init(ctx, presence.Options{IO: io, Store: members})
//
// Only programs that import this package link a Redis client.
package redis

import (
	"crypto/tls"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore"
)

// Options say where Redis is. Only URL has no default. An option that the URL
// sets to something else, or that has no effect without another, is refused.
type Options struct {
	// URL says where Redis is: redis://, rediss:// (TLS) or unix://, with
	// user, password and database number, and as parameters:
	//
	//	addr=host:port          more nodes of a Cluster, or more Sentinels; repeatable
	//	db=1                    the database, for unix://
	//	master_set=name         the addresses are Sentinels that watch this master
	//	sentinel_username=u     for Sentinels; user and password above are for
	//	sentinel_password=p     the servers that they watch
	//	sentinel_tls=true       whether to use TLS with Sentinels; default: as with rediss://
	//	ca_file=path            PEM file with the authorities to trust; default: the system's
	//	cert_file=, key_file=   PEM files with a client certificate and its key
	//	server_name=host        what certificates must be valid for; default: the
	//	                        host that is dialled, or the one in the URL
	//	skip_verify=true        takes any certificate: only for tests
	//	publish=plain           is PlainPublish
	//	protocol=2              uses RESP2; default: RESP3 where Redis has it
	//	client_name=name        as CLIENT LIST shows it
	//	dial_timeout=2s         is DialTimeout
	//
	// Any other parameter is refused. A Cluster is also found behind a single address.
	URL string
	// Prefix begins every key and channel; default "prs:". Up to 128 bytes,
	// without braces and control characters. All servers of a deployment need the
	// same; deployments that share a Redis need one each.
	Prefix string
	// DialTimeout bounds how long a connection may take to be made; default 2 s,
	// at most 1 min.
	DialTimeout time.Duration
	// PlainPublish uses PUBLISH also on a Cluster of Redis 7 or newer, where
	// SPUBLISH is the default: for a proxy that does not know it. All servers of a
	// deployment need the same.
	PlainPublish bool
	// TLS replaces what the URL's parameters say of TLS. It is used where the
	// URL asks for TLS, for servers and Sentinels, and is not changed.
	TLS *tls.Config
	// SentinelUsername and SentinelPassword are those of the URL's parameters.
	SentinelUsername, SentinelPassword string
}

// New returns the store for presence.Options.Store, or an error that names the
// option that is wrong and never quotes a password. It opens no connection: each
// presence.Init with it opens connections of its own, and Runtime.Close closes
// them. So there is nothing to close here, and one value may serve several servers
// of a process. It may be used by any number of goroutines at the same time.
func New(o Options) (presence.Store, error) {
	opener, err := redisstore.NewOpener(redisstore.Options{
		URL: o.URL, Prefix: o.Prefix, DialTimeout: o.DialTimeout, PlainPublish: o.PlainPublish, TLS: o.TLS,
		SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
	})
	if err != nil { // not a nil *Opener in an interface
		return nil, err
	}
	return opener, nil
}
