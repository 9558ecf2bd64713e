package presence_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// worlds is a server that has presence in "/" and in "/other".
type worlds struct {
	url         string
	io          *socketio.Server
	root, other *presence.Runtime
}

func serveWorlds(t *testing.T, root, other presence.Store) *worlds {
	t.Helper()
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &worlds{io: server}
	server.Of("/plain") // has none
	for ns, st := range map[string]presence.Store{"/": root, "/other": other} {
		rt, err := presence.Init(t.Context(), presence.Options{
			IO: server, Namespace: ns, Store: st, RelayEvents: []string{"chat"}, DrainPeriod: -1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if ns == "/" {
			w.root = rt
		} else {
			w.other = rt
		}
	}
	srv := httptest.NewServer(server)
	w.url = srv.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	return w
}

// connectOnly connects to a namespace, and to no other over the same connection.
func connectOnly(t *testing.T, url, namespace string) *wire {
	t.Helper()
	w := connect(t, url, namespace+",") // where the login would stand
	w.namespace = namespace + ","
	return w
}

func usersOf(t *testing.T, rt *presence.Runtime, room string) []string {
	t.Helper()
	members, err := rt.Members(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for _, m := range members {
		users = append(users, m.UserID)
	}
	slices.Sort(users)
	return users
}

// Two namespaces of one server have presence, with rooms of the same names: members,
// events, broadcasts, relays and kicks of one are nobody's business in the other, and
// the end of one does not disturb the other.
func TestTwoNamespacesAreTwoWorlds(t *testing.T) {
	root, other := memstore.New(memstore.Options{}), memstore.New(memstore.Options{})
	t.Cleanup(func() {
		_ = root.Close(context.Background())
		_ = other.Close(context.Background())
	})
	serve := func() *worlds { return serveWorlds(t, storetest.Shared(root), storetest.Shared(other)) }
	one, two := serve(), serve()
	ctx := t.Context()

	a, b := connect(t, one.url, ""), connect(t, two.url, "")
	c, d := connectOnly(t, one.url, "/other"), connectOnly(t, two.url, "/other")
	for user, w := range map[string]*wire{"a": a, "b": b, "c": c, "d": d} {
		w.ask("presence:join", `{"roomId":"r","userId":"`+user+`"}`)
	}
	for _, w := range []*worlds{one, two} {
		if got := usersOf(t, w.root, "r"); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("in /: %v", got)
		}
		if got := usersOf(t, w.other, "r"); !slices.Equal(got, []string{"c", "d"}) {
			t.Errorf("in /other: %v", got)
		}
	}

	plain := connectOnly(t, two.url, "/plain")
	for _, ns := range []string{"/", "/other"} {
		if err := one.io.Of(ns).To("r").Emit(ctx, "room", ns); err != nil {
			t.Error(err)
		}
	}
	for _, ns := range []string{"/", "/other", "/plain"} {
		if err := one.io.Of(ns).Emit(ctx, "all", ns); err != nil {
			t.Error(err)
		}
	}
	a.ask("chat", `{"roomId":"r","from":"a"}`)
	c.ask("chat", `{"roomId":"r","from":"c"}`)
	for _, hears := range []struct {
		w    *wire
		want []string
	}{
		{b, []string{`["room","/"]`, `["all","/"]`, `["chat",{"roomId":"r","from":"a"}]`}},
		{d, []string{`["room","/other"]`, `["all","/other"]`, `["chat",{"roomId":"r","from":"c"}]`}},
		{plain, []string{`["all","/plain"]`}},
	} {
		for _, want := range hears.want {
			if got := hears.w.custom(); got != want {
				t.Errorf("%s heard %s, want %s", hears.w.namespace, got, want)
			}
		}
	}

	if n, err := one.other.Kick(ctx, presence.KickTarget{RoomID: "r", UserID: "a"}); n != 0 || err != nil {
		t.Errorf("kicked %d of the other world, %v", n, err)
	}
	if n, err := one.other.Kick(ctx, presence.KickTarget{RoomID: "r", UserID: "d", Disconnect: true}); n != 1 || err != nil {
		t.Errorf("kicked %d, %v", n, err)
	}
	d.next("41/other,")
	if got := usersOf(t, one.root, "r"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("after a kick in the other world: %v", got)
	}

	three := serve()
	if err := three.other.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := three.io.Of("/").To("r").Emit(ctx, "on"); err != nil {
		t.Error(err)
	}
	if got := b.custom(); got != `["on"]` {
		t.Errorf("after the end of the other world: heard %s", got)
	}
	if err := one.root.Close(ctx); err != nil {
		t.Error(err)
	}
	d = connectOnly(t, two.url, "/other")
	d.ask("presence:join", `{"roomId":"r","userId":"d"}`)
	if got := usersOf(t, one.other, "r"); !slices.Equal(got, []string{"c", "d"}) {
		t.Errorf("after the end of the other world: %v", got)
	}
	if err := one.io.Of("/other").To("r").Emit(ctx, "still"); err != nil {
		t.Error(err)
	}
	if got := d.custom(); got != `["still"]` {
		t.Errorf("after the end of the other world: heard %s", got)
	}
}
