// Package redisstore keeps members in Redis 6 or newer: a single server, one behind Sentinel, or a
// Cluster. It opens, tunes and closes its own connections. What lies in Redis, and how it may change,
// is in package record.
//
// Packages below it, each of which imports only those above it here:
//
//	record    keys, records and messages as text
//	respconn  one connection for short commands and subscriptions
//	access    how servers are reached: URL, TLS, dialling, rights, answers that mean trouble
//	pipeline  the commands of all callers, and their way to the masters
//	topology  which server is the master of what, and how far its clock is ahead
//	channels  keeps subscriptions open, whatever happens to connections and masters
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
	"github.com/realtime-ai/realtime-message-go/internal/lograte"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/channels"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/topology"
	"github.com/redis/rueidis"
)

// Options configure a Store.
type Options = access.Options

// Store is a store.Store on Redis. Every call returns within the deadline of
// its context, also when Redis is stalled; a call whose context has none waits
// until the connection is found dead, which takes about 3 s.
//
// Receivers are called on the goroutine that reads from Redis, one for each
// master.
type Store struct {
	keys    record.Keys
	ttl     string // of connection records, ms
	ahead   string // a version to write in place of this one, for tests; empty: none
	cluster bool   // keys lie apart
	scripts scripts
	client  rueidis.Client
	layout  atomic.Pointer[topology.Layout]
	pipe    *pipeline.Pipeline
	bridge  *channels.Bridge
	log     *slog.Logger

	publishing atomic.Pointer[publishing] // changes while a cluster is upgraded: see bridge
}

var _ store.Sharded = (*Store)(nil)

// Sharded implements store.Sharded: a cluster is.
func (s *Store) Sharded() bool { return s.cluster }

// Open connects to Redis and checks that it answers, within the context's
// deadline and Options.DialTimeout. Errors name the address, never the password.
func Open(ctx context.Context, o Options) (*Store, error) {
	l, err := o.Normalize()
	if err != nil {
		return nil, err
	}
	opt := access.ClientOption(ctx, &o, l)
	log := lograte.Limit(o.Logger, time.Minute)
	guard, err := access.NewGuard(&o, l, &opt, log)
	if err != nil {
		return nil, err
	}
	client, err := rueidis.NewClient(opt)
	if err != nil {
		err = access.Lacking(err, o.Prefix, l.Commands("", false))
		return nil, fmt.Errorf("connect to Redis at %s: %w", guard.Name(""), err)
	}
	s := &Store{
		keys:    record.NewKeys(o.Prefix, o.Namespace, opt.SelectDB),
		ttl:     strconv.FormatInt(o.TTL.Milliseconds(), 10),
		ahead:   o.Ahead,
		client:  client,
		cluster: client.Mode() == rueidis.ClientModeCluster,
		scripts: loadScripts(),
		log:     log,
	}
	s.pipe = pipeline.New(client, s.masterOf, guard)
	scout := topology.NewScout(client, s.pipe, guard, keyslot.Of(s.keys.Nodes()))
	plain := l.Plain || o.PlainPublish
	sharded, err := s.detect(ctx, scout)
	sharded = sharded && !plain
	rights := func(ctx context.Context, sharded bool) error {
		return s.checkRights(ctx, l.Commands(client.Mode(), sharded))
	}
	if err == nil {
		err = rights(ctx, sharded)
	}
	if err == nil {
		err = s.checkFormer(ctx, o.Lease)
	}
	if err != nil {
		err = access.Lacking(err, o.Prefix, l.Commands(client.Mode(), sharded))
		scout.Wait()
		s.pipe.Close()
		client.Close()
		return nil, fmt.Errorf("connect to Redis at %s: %w", guard.Name(""), err)
	}
	s.publish(sharded)
	s.bridge = channels.New(channels.Config{
		Scout: scout, Guard: guard, Pipe: s.pipe, Cluster: s.cluster, Single: client.Mode() == rueidis.ClientModeStandalone, Greeting: l.Greeting(), Layout: &s.layout, Log: log, Plain: plain, Sharded: sharded,
		Corker: o.Corker, Publish: s.publish, MayShard: func(ctx context.Context) error { return rights(ctx, true) },
	})
	s.bridge.Start()
	return s, nil
}

// publish makes all that is published from now on sharded or plain.
func (s *Store) publish(sharded bool) { s.publishing.Store(newPublishing(sharded, s.keys.Events)) }

// detect asks the servers what they are: how they are laid out, and whether they know
// sharded channels.
func (s *Store) detect(ctx context.Context, scout *topology.Scout) (sharded bool, err error) {
	if s.cluster {
		if err := s.checkHosts(ctx); err != nil {
			return false, err
		}
	}
	msg, err := s.pipe.Do(ctx, s.client.B().Info().Section("server").Build())
	if err != nil {
		return false, err
	}
	info, err := msg.ToString()
	if err != nil {
		return false, err
	}
	major, err := topology.MajorVersion(info)
	if err != nil {
		return false, err
	}
	if major < 6 {
		return false, fmt.Errorf("it is Redis %d; 6 or newer is needed", major)
	}
	if topology.InfoField(info, "redis_mode") == "cluster" && !s.cluster {
		// The client library takes a user without this right for a single server.
		_, err := s.pipe.Do(ctx, s.client.B().ClusterSlots().Build())
		if t := access.TroubleIn(err); t != nil && t.Begins == "NOPERM" {
			return false, fmt.Errorf("it is a cluster: %w", err)
		}
	}
	first, err := scout.Look(ctx, nil)
	if err != nil {
		return false, err
	}
	if s.cluster { // now that it is known who the masters are, each of them is asked
		if all, err := scout.Look(ctx, first); err == nil {
			first = all
		}
	}
	s.layout.Store(first)
	return first.Sharded(), nil
}

// checkHosts fails when a cluster does not say where all of its masters are.
func (s *Store) checkHosts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, access.StallTime)
	defer cancel()
	// Sent alone it goes to a server of the URL, also where no other is known.
	ranges, err := s.client.Do(ctx, s.client.B().ClusterSlots().Build()).ToArray()
	if err != nil {
		return s.pipe.Wrap(err)
	}
	if _, err := topology.ParseSlots(ranges, ":0"); errors.Is(err, topology.ErrNoHost) {
		return err
	}
	return nil
}

// checkRights fails when the user of Redis lacks a right that is needed later.
func (s *Store) checkRights(ctx context.Context, commands []string) error {
	// Room and node keys have braces, which a pattern of the prefix covers too.
	key, channel := s.keys.Nodes(), s.keys.NodesEvents()
	fill, texts := strings.NewReplacer(" K", " "+key, " C", " "+channel), make([]string, len(commands))
	for i, c := range commands {
		texts[i] = fill.Replace(c)
	}
	if strings.Contains(key, " ") {
		return nil // its words cannot be told apart
	}
	msg, err := s.pipe.Exec(ctx, &s.scripts.rights, pipeline.Run{Keys: []string{key}, Args: texts})
	if err != nil {
		return err
	}
	lacks, err := msg.AsStrSlice()
	if err != nil || len(lacks) == 0 {
		return err
	}
	return fmt.Errorf("the user may not run %s on keys or channels that begin with %q; it needs the rules: %s",
		strings.Join(lacks, ", "), s.keys.Base, access.Rules(s.keys.Base, commands))
}

// masterOf is the address of the master that holds a slot; empty when there is
// only one, or when it is not known.
func (s *Store) masterOf(slot uint16) string { return s.layout.Load().Of(slot).Addr }

// shift is by how many ms the clock of the master that holds the key of an id is ahead of
// the store's time. That is what callers know from the life signs: the clock of the master
// of the nodes.
func (s *Store) shift(key func(id string) string, id string) int64 {
	l := s.layout.Load()
	if l.Shifts == nil { // as a rule: one server, or clocks that are kept in step
		return 0
	}
	return l.Shift(keyslot.Of(key(id)))
}

// expires is a time after which a write shall do nothing, by the clock of the master that
// holds the key of an id. 0 stays 0: never.
func (s *Store) expires(ms int64, key func(id string) string, id string) int64 {
	if ms == 0 {
		return 0
	}
	return ms + s.shift(key, id)
}

// now is the time by the clock of one of the servers, Unix ms.
func (s *Store) now(ctx context.Context) (int64, error) {
	msg, err := s.pipe.Do(ctx, s.client.B().Time().Build())
	if err != nil {
		return 0, err
	}
	return topology.TimeMs(msg.AsIntSlice())
}

// Close ends subscriptions, calls and connections, and waits for them. Calls
// under way and later ones return an error that wraps store.ErrClosed.
func (s *Store) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.bridge.Close()
		s.pipe.Close()
		s.client.Close()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close Redis store: connections still end: %w", ctx.Err())
	}
}

// Opener opens a Store with options that were checked.
type Opener struct{ o Options }

var _ store.Opener = (*Opener)(nil)

// NewOpener checks options, without connecting. What store.Settings has is for Open to set.
func NewOpener(o Options) (*Opener, error) {
	checked := o
	if _, err := checked.Normalize(); err != nil {
		return nil, err
	}
	return &Opener{o}, nil
}

// Open implements store.Opener.
func (p *Opener) Open(ctx context.Context, s store.Settings) (store.Store, error) {
	o := p.o
	o.Namespace, o.TTL, o.Lease, o.Corker, o.Logger = s.Namespace, s.TTL, s.Lease, s.Corker, s.Logger
	st, err := Open(ctx, o)
	if err != nil { // not a nil *Store in an interface
		return nil, err
	}
	return st, nil
}
