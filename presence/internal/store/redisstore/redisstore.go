package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/lograte"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

// Store is a store.Store on Redis. Every call returns within the deadline of
// its context, also when Redis is stalled; a call whose context has none waits
// until the connection is found dead, which takes about 3 s.
//
// Receivers are called on the goroutine that reads from Redis, one for each
// master.
type Store struct {
	keys    keys
	ttl     string // of connection records, ms
	ahead   string // a version to write in place of this one, for tests; empty: none
	cluster bool   // keys lie apart
	scripts scripts
	client  rueidis.Client
	layout  atomic.Pointer[layout]
	pipe    *pipeline
	bridge  *bridge
	log     *slog.Logger

	publishing atomic.Pointer[publishing] // changes while a cluster is upgraded: see bridge
}

var _ store.Sharded = (*Store)(nil)

// Sharded implements store.Sharded: a cluster is.
func (s *Store) Sharded() bool { return s.cluster }

// Open connects to Redis and checks that it answers, within the context's
// deadline and Options.DialTimeout. Errors name the address, never the password.
func Open(ctx context.Context, o Options) (*Store, error) {
	l, err := o.normalize()
	if err != nil {
		return nil, err
	}
	opt := clientOption(ctx, &o, l)
	dials, err := newDials(&o, l, &opt)
	if err != nil {
		return nil, err
	}
	log := lograte.Limit(o.Logger, time.Minute)
	client, err := rueidis.NewClient(opt)
	if err != nil {
		err = lacking(err, o.Prefix, l.commands("", false))
		return nil, fmt.Errorf("connect to Redis at %s: %w", addresses(&opt), err)
	}
	s := &Store{
		keys:    newKeys(o.Prefix, o.Namespace, opt.SelectDB),
		ttl:     strconv.FormatInt(o.TTL.Milliseconds(), 10),
		ahead:   o.Ahead,
		client:  client,
		cluster: client.Mode() == rueidis.ClientModeCluster,
		scripts: loadScripts(),
		log:     log,
	}
	guard := newGuard(dials, addresses(&opt), log)
	s.pipe = newPipeline(client, s.masterOf, guard)
	scout := newScout(client, s.pipe, guard, slotOf(s.keys.nodes()))
	plain := l.plain || o.PlainPublish
	sharded, err := s.detect(ctx, scout)
	sharded = sharded && !plain
	rights := func(ctx context.Context, sharded bool) error {
		return s.checkRights(ctx, l.commands(client.Mode(), sharded))
	}
	if err == nil {
		err = rights(ctx, sharded)
	}
	if err == nil {
		err = s.checkFormer(ctx, o.Lease)
	}
	if err != nil {
		err = lacking(err, o.Prefix, l.commands(client.Mode(), sharded))
		scout.wg.Wait()
		s.pipe.close()
		client.Close()
		return nil, fmt.Errorf("connect to Redis at %s: %w", addresses(&opt), err)
	}
	s.publish(sharded)
	s.bridge = newBridge(s, scout, sharded, plain)
	s.bridge.greeting = l.greeting()
	s.bridge.mayShard = func(ctx context.Context) error { return rights(ctx, true) }
	s.bridge.start()
	return s, nil
}

// publish makes all that is published from now on sharded or plain.
func (s *Store) publish(sharded bool) { s.publishing.Store(newPublishing(sharded, s.keys.events)) }

// detect asks the servers what they are: how they are laid out, and whether they know
// sharded channels.
func (s *Store) detect(ctx context.Context, scout *scout) (sharded bool, err error) {
	if s.cluster {
		if err := s.checkHosts(ctx); err != nil {
			return false, err
		}
	}
	msg, err := s.pipe.do(ctx, s.client.B().Info().Section("server").Build())
	if err != nil {
		return false, err
	}
	info, err := msg.ToString()
	if err != nil {
		return false, err
	}
	major, err := majorVersion(info)
	if err != nil {
		return false, err
	}
	if major < 6 {
		return false, fmt.Errorf("it is Redis %d; 6 or newer is needed", major)
	}
	if infoField(info, "redis_mode") == "cluster" && !s.cluster {
		// The client library takes a user without this right for a single server.
		_, err := s.pipe.do(ctx, s.client.B().ClusterSlots().Build())
		if t := troubleIn(err); t != nil && t.begins == "NOPERM" {
			return false, fmt.Errorf("it is a cluster: %w", err)
		}
	}
	first, err := scout.look(ctx, nil)
	if err != nil {
		return false, err
	}
	if s.cluster { // now that it is known who the masters are, each of them is asked
		if all, err := scout.look(ctx, first); err == nil {
			first = all
		}
	}
	s.layout.Store(first)
	return first.sharded(), nil
}

// checkHosts fails when a cluster does not say where all of its masters are.
func (s *Store) checkHosts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stallTime)
	defer cancel()
	// Sent alone it goes to a server of the URL, also where no other is known.
	ranges, err := s.client.Do(ctx, s.client.B().ClusterSlots().Build()).ToArray()
	if err != nil {
		return s.pipe.wrap(err)
	}
	if _, err := parseSlots(ranges, ":0"); errors.Is(err, errNoHost) {
		return err
	}
	return nil
}

// masterOf is the address of the master that holds a slot; empty when there is
// only one, or when it is not known.
func (s *Store) masterOf(slot uint16) string { return s.layout.Load().of(slot).addr }

// Close ends subscriptions, calls and connections, and waits for them. Calls
// under way and later ones return an error that wraps store.ErrClosed.
func (s *Store) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.bridge.close()
		s.pipe.close()
		s.client.Close()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close Redis store: connections still end: %w", ctx.Err())
	}
}
