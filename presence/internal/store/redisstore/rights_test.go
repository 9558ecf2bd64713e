//go:build unix

package redisstore

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/redis/rueidis"
)

// limited makes a user on every server, with the password pw and these rules.
func limited(t *testing.T, rules string, servers ...*redistest.Server) {
	t.Helper()
	for _, s := range servers {
		do(t, s, append([]string{"ACL", "SETUSER", "presence", "reset", "on", ">pw"}, strings.Fields(rules)...)...)
	}
}

func asUser(s *redistest.Server) string {
	return strings.Replace(s.URL(), "redis://", "redis://presence:pw@", 1)
}

// used are the commands of a store on a single server.
func used() []string { return new(access.Location).Commands(rueidis.ClientModeStandalone, false) }

// documented are the rules in docs/operations.md after a marker.
func documented(t *testing.T, marker string) string {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/operations.md")
	must(t, err)
	_, after, ok := strings.Cut(string(text), marker)
	if !ok {
		t.Fatalf("docs/operations.md does not have %q", marker)
	}
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}

// A user with the rights that are documented, and no others, does for
// everything.
func TestContractWithDocumentedRights(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	all := documented(t, "ACL SETUSER presence on >password resetkeys resetchannels -@all ")
	if got := access.Rules("prs:", used()); got != all {
		t.Errorf("documented are\n%s\nneeded are\n%s", all, got)
	}
	limited(t, all, srv)
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		return openAs(t, Options{URL: asUser(srv)}, srv.URL())
	})
}

// The same on a cluster, with what that needs besides.
func TestClusterWithDocumentedRights(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2, 0)
	l := &access.Location{}
	limited(t, access.Rules("mine:", l.Commands(rueidis.ClientModeCluster, true)), c.Servers...)
	for _, o := range []Options{{URL: asUser(c.Servers[0])}, {URL: asUser(c.Servers[1]), PlainPublish: true}} {
		o.Prefix = "mine:"
		must(t, use(t, o))
	}
	limited(t, access.Rules("mine:", used()), c.Servers...)
	err := use(t, Options{URL: asUser(c.Servers[0]), Prefix: "mine:"})
	if err == nil || !strings.Contains(err.Error(), "cluster|slots") {
		t.Errorf("without CLUSTER SLOTS: %v", err)
	}
}

// Whatever is missing, the start fails, and says what is needed.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	all := access.Rules("prs:", used())
	for _, rule := range strings.Fields(all) {
		if rule == "+ping" {
			continue // of the client library, on connections that are idle
		}
		limited(t, strings.Join(strings.Fields(strings.Replace(all+" ", rule+" ", "", 1)), " "), srv)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		s, err := Open(ctx, Options{URL: asUser(srv)})
		cancel()
		if err == nil {
			_ = s.Close(t.Context())
			t.Errorf("without %s: no error", rule)
			continue
		}
		if !strings.Contains(err.Error(), all) || strings.Contains(err.Error(), "pw") {
			t.Errorf("without %s: %v", rule, err)
		}
	}
	limited(t, all, srv)
	err := use(t, Options{URL: asUser(srv), Prefix: "other:"})
	if err == nil || !strings.Contains(err.Error(), "~other:* &other:*") {
		t.Errorf("with another prefix: %v", err)
	}
	err = use(t, Options{URL: asUser(srv) + "/1"})
	if err == nil || !strings.Contains(err.Error(), "+select") {
		t.Errorf("with a database: %v", err)
	}
	limited(t, all+" +select", srv)
	must(t, use(t, Options{URL: asUser(srv) + "/1"}))
}

// A right that is taken away while the server runs makes the store unavailable,
// says so once, and breaks nothing that still works.
func TestRightTakenAway(t *testing.T) {
	t.Parallel()
	b := startBehindProxy(t)
	limited(t, access.Rules("chat:", used()), b.old)
	b.chat.begin(t)
	do(t, b.old, "ACL", "SETUSER", "default", "-hset")
	b.log.wait(t, "lacks a right")
	b.chat.quiet()
	if len(b.chat.failed) == 0 || strings.Count(b.log.String(), "lacks a right") != 1 {
		t.Errorf("%d calls failed; log:\n%s", len(b.chat.failed), b.log)
	}
	before := b.proxy.Dialed()
	do(t, b.old, "ACL", "SETUSER", "default", "+hset")
	b.chat.heal(func(int) bool { return false }, true)
	if n := b.proxy.Dialed() - before; n != 0 {
		t.Errorf("dialled %d times", n)
	}
}

// A password that is set while connections are open, and one that changes.
func TestPasswordAfterRestart(t *testing.T) {
	t.Parallel()
	b := startBehindProxy(t)
	b.chat.begin(t)
	do(t, b.new, "CONFIG", "SET", "requirepass", "secret")
	b.proxy.Switch(b.new)
	_, err := b.old.KillSubscribers()
	must(t, err)
	b.old.Stop()
	b.log.wait(t, "wants a password")
	b.chat.quiet()
	for _, err := range b.chat.failed {
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v", err)
		}
	}
}

// A cluster may not know the hosts of its servers: empty is that of the server
// that was asked, a question mark is nobody's.
func TestUnknownHostsOfACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2, 0, "--cluster-preferred-endpoint-type", "unknown-endpoint")
	all := startChat(t, "sharded", 8, Options{URL: c.Servers[0].URL()})
	all.begin(t)
	time.Sleep(200 * time.Millisecond)
	all.heal(func(int) bool { return false }, false)
	slot := redistest.Slot(all.store.keys.Room("r0"))
	from, err := c.MasterOf(slot)
	must(t, err)
	all.begin(t)
	must(t, c.MoveSlot(slot, otherMaster(t, c, from)))
	all.heal(func(s int) bool { return s == slot }, true)

	for _, s := range c.Servers {
		do(t, s, "CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
	}
	err = use(t, Options{URL: c.Servers[0].URL()})
	if err == nil || !strings.Contains(err.Error(), "cluster-announce-hostname") {
		t.Errorf("error %v", err)
	}
}
