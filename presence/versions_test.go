package presence_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore"
)

// nextVersion is what the version after this one adds to a member.
const nextVersion = "2\tof the next version"

// A server of this version and one of the next share a Redis, as during a deploy: each
// sees the members of the other, and what only the newer one knows of them is not lost,
// whoever has the member meanwhile.
func TestTwoVersionsOnOneRedis(t *testing.T) {
	srv := redistest.Start(t)
	at := func(o redisstore.Options) presence.Options {
		o.URL = srv.URL()
		members, err := redisstore.NewOpener(o)
		if err != nil {
			t.Fatal(err)
		}
		return presence.Options{Store: members, RelayEvents: []string{"chat"}}
	}
	_, oldURL := serve(t, at(redisstore.Options{}))
	_, newURL := serve(t, at(redisstore.Options{Ahead: nextVersion}))
	record := func(connID string) string {
		t.Helper()
		list, err := srv.Do("HGET", "prs:1:{room:r}", "m:"+connID)
		if err != nil {
			t.Fatal(err)
		}
		return list[0]
	}
	keeps := func(what, connID string) {
		t.Helper()
		head, _, _ := strings.Cut(record(connID), "\n")
		if !strings.HasPrefix(head, "2\t") || !strings.HasSuffix(head, "\tof the next version") {
			t.Errorf("after %s: %q", what, head)
		}
	}

	a, b := connect(t, newURL, ""), connect(t, oldURL, "")
	self := a.self(a.ask("presence:join", `{"roomId":"r","userId":"ann","graceMs":60000,"state":{"n":1}}`))
	keeps("the join", self.ConnID)
	bob := b.self(b.ask("presence:join", `{"roomId":"r","userId":"bob"}`))
	if head := record(bob.ConnID); !strings.HasPrefix(head, "1\t") {
		t.Errorf("a member of this version: %q", head)
	}
	b.ask("chat", `{"roomId":"r","from":"bob"}`)
	a.ask("chat", `{"roomId":"r","from":"ann"}`)
	a.until(`"from":"bob"`)
	b.until(`"from":"ann"`)
	a.ask("presence:heartbeat", `{"patchState":{"n":2}}`)
	b.until(`"state":{"n":2}`)

	c := connect(t, oldURL, "")
	if ack := c.ask("presence:join", `{"roomId":"r","userId":"ann","resume":"`+self.Resume+`","graceMs":60000}`); !strings.Contains(ack, `"resumed":true`) {
		t.Fatalf("resume on the older server: %s", ack)
	}
	keeps("a resume", self.ConnID)
	c.ask("presence:heartbeat", `{"patchState":{"n":3}}`)
	b.until(`"state":{"n":3}`)
	keeps("a patch", self.ConnID)
	if _, err := srv.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(deadline); record(self.ConnID) == "" && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	keeps("a restore", self.ConnID)
	c.ask("presence:leave", `{}`)
	b.until(`"type":"leave"`)
}

// self is what the answer to a join says of the member.
func (w *wire) self(ack string) (self struct{ ConnID, Resume string }) {
	w.t.Helper()
	var a struct {
		Self *struct{ ConnID, Resume string }
	}
	a.Self = &self
	if err := json.Unmarshal([]byte(ack), &a); err != nil || self.ConnID == "" {
		w.t.Fatalf("join: %s", ack)
	}
	return self
}

// until waits for an event that has a text.
func (w *wire) until(text string) {
	w.t.Helper()
	for !strings.Contains(w.event(), text) {
	}
}
