//go:build unix

package redisstore

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/respconn"
)

// behindProxy is a store in use on the first of two servers behind one address.
type behindProxy struct {
	proxy    *redistest.Proxy
	old, new *redistest.Server
	chat     *chat
	log      *lines
}

func startBehindProxy(t *testing.T) *behindProxy {
	t.Helper()
	b := &behindProxy{old: redistest.Start(t), new: redistest.Start(t), log: &lines{}}
	b.proxy = redistest.StartProxy(t, b.old)
	b.chat = startChat(t, "chat", 3, Options{
		URL: b.proxy.URL() + "?client_name=" + storeName, Logger: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	return b
}

// lines is a log that a test reads while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait blocks until the log has a text.
func (l *lines) wait(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(healTime); !strings.Contains(l.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q in the log: %s", text, l)
		}
	}
}

func do(t *testing.T, s *redistest.Server, args ...string) []string {
	t.Helper()
	answer, err := s.Do(args...)
	must(t, err)
	return answer
}

func follow(t *testing.T, s, master *redistest.Server) {
	t.Helper()
	host, port, _ := strings.Cut(master.Addr, ":")
	do(t, s, "REPLICAOF", host, port)
}

// left checks that the store has no connection to a server any more.
func left(t *testing.T, s *redistest.Server) {
	t.Helper()
	for range 500 {
		if !strings.Contains(strings.Join(do(t, s, "CLIENT", "LIST"), ""), "name="+storeName) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the store is still connected to %s", s.Addr)
}

// The master behind an address becomes a replica of the server that new
// connections go to, and closes none of those that are open.
func TestMasterBehindProxyBecomesReplica(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, b *behindProxy){
		"read-only": func(*testing.T, *behindProxy) {},
		"stale": func(t *testing.T, b *behindProxy) {
			do(t, b.old, "CONFIG", "SET", "replica-serve-stale-data", "no")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBehindProxy(t)
			prepare(t, b)
			b.chat.begin(t)
			time.Sleep(200 * time.Millisecond)
			if name == "stale" {
				do(t, b.old, "REPLICAOF", "127.0.0.1", "1")
			} else {
				follow(t, b.old, b.new)
			}
			b.proxy.Switch(b.new)
			b.chat.heal(hurtAll, true)
			left(t, b.old)
		})
	}
}

// A store without a request sees by itself that its master is a replica: it
// would hear nothing otherwise.
func TestIdleStoreLeavesAReplica(t *testing.T) {
	t.Parallel()
	b := startBehindProxy(t)
	follow(t, b.old, b.new)
	b.proxy.Switch(b.new)
	left(t, b.old)
	b.chat.begin(t)
	b.chat.heal(hurtAll, true)
}

// The address leads to the replica for a while after it has become one.
func TestReplicaIsAllThereIsForAWhile(t *testing.T) {
	t.Parallel()
	b := startBehindProxy(t)
	b.chat.begin(t)
	follow(t, b.old, b.new)
	before := b.proxy.Dialed()
	time.Sleep(4 * time.Second)
	if n := b.proxy.Dialed() - before; n < 1 || n > 40 {
		t.Errorf("dialled %d times in 4 s", n)
	}
	b.proxy.Switch(b.new)
	b.chat.heal(hurtAll, true)
	// The answers to commands and INFO, each with its server.
	for _, answer := range []string{"You can't write against a read only replica.", "it says that it is a replica (role:slave)"} {
		line := "server=" + b.proxy.Addr + ` error="READONLY ` + answer + `"`
		if n := strings.Count(b.log.String(), line); n != 1 {
			t.Errorf("%q was said %d times:\n%s", answer, n, b.log)
		}
	}
}

// Answers that say that a connection is of no use, on all that are open.
func TestUselessConnections(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"READONLY You can't write against a read only replica.",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		"LOADING Redis is loading the dataset in memory",
		"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
		"NOAUTH Authentication required.",
		"ERR Error running script (call to f_0123): @user_script:3: -READONLY You can't write against a read only replica.",
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			b := startBehindProxy(t)
			b.chat.begin(t)
			time.Sleep(100 * time.Millisecond)
			b.proxy.Switch(b.new)
			b.proxy.Spoil(answer)
			b.chat.heal(hurtAll, true)
			left(t, b.old)
			if !strings.Contains(b.log.String(), access.TroubleIn(respconn.Error(answer)).Says) {
				t.Errorf("log: %s", b.log)
			}
		})
	}
}

// The address leads to another master, and the old one goes on as if nothing had
// happened: subscriptions and commands must not end up on different ones.
func TestSubscriberFindsAnotherMaster(t *testing.T) {
	t.Parallel()
	b := startBehindProxy(t)
	b.chat.begin(t)
	time.Sleep(100 * time.Millisecond)
	b.proxy.Switch(b.new)
	_, err := b.old.KillSubscribers()
	must(t, err)
	b.chat.heal(hurtAll, true)
	left(t, b.old)
}

// A server that is a replica from the start is no place for members.
func TestOpenRefusesAReplica(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	follow(t, replica, master)
	s, err := Open(t.Context(), Options{URL: replica.URL()})
	if err == nil {
		_ = s.Close(context.Background())
	}
	if err == nil || !strings.Contains(err.Error(), "replica") || !strings.Contains(err.Error(), replica.Addr) {
		t.Errorf("error %v", err)
	}
}
