package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func TestBroadcastReaches(t *testing.T) {
	// a is in x, b in x and y, c in y, d in none; e is in x of another namespace.
	type address func(n *Namespace, socket func(string) *Socket) Broadcaster
	for name, tc := range map[string]struct {
		to   address
		want string
	}{
		"all":         {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.Local() }, "abcd"},
		"room":        {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.To("x") }, "ab"},
		"rooms":       {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.To("x", "y") }, "abc"},
		"chained":     {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.To("x").To("y").To("x") }, "abc"},
		"no such":     {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.To("z") }, ""},
		"except":      {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.Except("x") }, "cd"},
		"except both": {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.Except("x", "y") }, "d"},
		"difference":  {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.To("x").Except("y") }, "a"},
		"nobody":      {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.To() }, ""},
		"none of":     {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.To([]string{}...).Local() }, ""},
		"nobody but":  {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.Except("x").To() }, ""},
		"less nobody": {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.Except() }, "abcd"},
		"none, then":  {func(n *Namespace, _ func(string) *Socket) Broadcaster { return n.To().To("x") }, "ab"},
		"no others":   {func(_ *Namespace, s func(string) *Socket) Broadcaster { return s("a").To() }, ""},
		"except many": {func(n *Namespace, s func(string) *Socket) Broadcaster { return n.Except("x", "z", s("d").ID(), "x") }, "c"},
		"own id":      {func(n *Namespace, s func(string) *Socket) Broadcaster { return n.To(s("d").ID()) }, "d"},
		"id and room": {func(n *Namespace, s func(string) *Socket) Broadcaster { return n.To(s("a").ID(), "x") }, "ab"},
		"except id":   {func(n *Namespace, s func(string) *Socket) Broadcaster { return n.To("x").Except(s("a").ID()) }, "b"},
		"others":      {func(_ *Namespace, s func(string) *Socket) Broadcaster { return s("a").Broadcast() }, "bcd"},
		"others in":   {func(_ *Namespace, s func(string) *Socket) Broadcaster { return s("a").To("x", "y") }, "bc"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, e *env) {
				clients := map[string]*client{}
				for who, rooms := range map[string][]string{"a": {"x"}, "b": {"x", "y"}, "c": {"y"}, "d": nil} {
					clients[who] = e.join("/")
					e.socket(clients[who]).Join(rooms...)
				}
				clients["e"] = func() *client { e.io.Of("/other"); return e.join("/other") }()
				e.socket(clients["e"]).Join("x")
				b := tc.to(e.root, func(who string) *Socket { return e.socket(clients[who]) })
				if err := b.Emit(t.Context(), "hi", 1, []byte("x")); err != nil {
					t.Fatal(err)
				}
				if err := b.EmitRaw(t.Context(), "raw", json.RawMessage(`{"a":[ ]}`)); err != nil {
					t.Fatal(err)
				}
				for who, c := range clients {
					if strings.Contains(tc.want, who) {
						c.want(`451-["hi",1,{"_placeholder":true,"num":0}]`, "b:x", `42["raw",{"a":[ ]}]`)
					}
				}
				for _, c := range clients {
					c.wantNothing()
				}
			})
		})
	}
}

func TestBroadcastersShareNothing(t *testing.T) {
	n := new(Namespace)
	base := n.To("a").To("b").Except("c").Except("d")
	one, two := base.To("1").Except("3"), base.To("2").Except("4")
	if !slices.Equal(one.to.rooms, []string{"a", "b", "1"}) || !slices.Equal(two.to.except, []string{"c", "d", "4"}) ||
		!slices.Equal(one.to.except, []string{"c", "d", "3"}) || !slices.Equal(two.to.rooms, []string{"a", "b", "2"}) {
		t.Errorf("one is %+v, two %+v", one, two)
	}
}

func TestBroadcastDisconnects(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		a, b := e.join("/"), e.join("/")
		e.socket(a).Join("x")
		if err := e.root.To("x").Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
		a.want("41")
		b.wantNothing()
	})
}

func TestPacketsBelongToANamespace(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		p, err := NewEvent("custom", "a")
		if err != nil || p.Namespace() != "/custom" {
			t.Fatalf("%+v, %v", p, err)
		}
		if err := e.socket(c).Send(p); !errors.Is(err, ErrNamespace) {
			t.Errorf("Socket.Send: %v", err)
		}
		if err := e.root.Local().Send(t.Context(), p); !errors.Is(err, ErrNamespace) {
			t.Errorf("Broadcaster.Send: %v", err)
		}
	})
}

func TestPacketsThatCannotBeMade(t *testing.T) {
	raw := func(s ...string) (args []json.RawMessage) {
		for _, s := range s {
			args = append(args, json.RawMessage(s))
		}
		return args
	}
	for name, make := range map[string]func() (*Packet, error){
		"bad JSON":     func() (*Packet, error) { return NewEvent("/", "a", raw(`1`, `{`)...) },
		"two values":   func() (*Packet, error) { return NewEvent("/", "a", raw(`1,2`)...) },
		"bad UTF-8":    func() (*Packet, error) { return NewEvent("/", "a", raw("\"\xff\"")...) },
		"reserved":     func() (*Packet, error) { return NewEvent("/", "disconnect") },
		"placeholder":  func() (*Packet, error) { return NewBinaryEvent("/", "a", [][]byte{{1}}, appendPlaceholder(nil, 1)) },
		"raw object":   func() (*Packet, error) { return NewEventRaw("/", []byte(`{}`)) },
		"raw nameless": func() (*Packet, error) { return NewEventRaw("/", []byte(`[{}]`)) },
		"raw reserved": func() (*Packet, error) { return NewEventRaw("/", []byte(`["connect"]`)) },
		"raw held": func() (*Packet, error) {
			return NewEventRaw("/", append([]byte(`["a",`), `{"_placeholder":true,"num":2}]`...), []byte("x"))
		},
		"not encodable": func() (*Packet, error) { return encodeEvent("/", "a", []any{make(chan int)}) },
		"smuggled": func() (*Packet, error) {
			return encodeEvent("/", "a", []any{[]byte("x"), map[string]any{"_placeholder": true, "num": 1}})
		},
		"raw in a struct": func() (*Packet, error) {
			return encodeEvent("/", "a", []any{struct{ V json.RawMessage }{json.RawMessage("\"\xff\"")}})
		},
	} {
		if p, err := make(); err == nil {
			t.Errorf("%s: made %s", name, p.payload)
		}
	}
}

// adapterLog is an adapter that notes what it hears.
type adapterLog struct {
	journal
	peer *Server // gets what is published
}

func (a *adapterLog) RoomOpened(ns, room string) { a.add("open " + ns + " " + room) }
func (a *adapterLog) RoomClosed(ns, room string) { a.add("close " + ns + " " + room) }
func (a *adapterLog) Publish(_ context.Context, b *Broadcast) error {
	a.add("publish " + b.Namespace)
	again, err := ParseBroadcast(AppendBroadcast(nil, b))
	if err == nil && a.peer != nil {
		a.peer.DeliverLocal(again)
	}
	return err
}

func TestAdapterHearsOfRooms(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		a, b := e.join("/"), e.join("/")
		e.socket(a).Join("before")
		var log adapterLog
		if err := e.io.SetAdapter(&log); err != nil {
			t.Fatal(err)
		}
		if err := e.io.SetAdapter(new(adapterLog)); err == nil {
			t.Error("took a second adapter")
		}
		log.want(t, "open / before")
		e.socket(a).Join("x", "x")
		e.socket(b).Join("x")
		e.socket(a).Leave("x")
		e.socket(a).Leave("x")
		e.socket(a).Leave("never")
		log.want(t, "open / before", "open / x")
		b.send("41")
		log.want(t, "open / before", "open / x", "close / x")
		other := func() *client { e.io.Of("/other"); return e.join("/other") }()
		e.socket(other).Join("y")
		log.want(t, "open / before", "open / x", "close / x", "open /other y")
		if err := e.io.SetAdapter(nil); err != nil {
			t.Error(err)
		}
		e.socket(a).Join("silent")
		if err := e.io.SetAdapter(&log); err != nil {
			t.Error(err)
		}
		e.socket(a).Leave("before")
		synctest.Wait()
		slices.Sort(log.entries[4:7])
		log.want(t, "open / before", "open / x", "close / x", "open /other y",
			"open / before", "open / silent", "open /other y", "close / before")
	})
}

// A namespace may have an adapter of its own: the server's serves the others, and
// that one again when its own is taken off. Neither end disturbs the other.
func TestAdapterOfANamespace(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		other := e.io.Of("/other")
		a, b := e.join("/"), e.join("/other")
		e.socket(a).Join("x")
		e.socket(b).Join("y")
		var general, own adapterLog
		if err := e.io.SetAdapter(&general); err != nil {
			t.Fatal(err)
		}
		if err := other.SetAdapter(&own); err != nil {
			t.Fatal(err)
		}
		if err := other.SetAdapter(new(adapterLog)); err == nil {
			t.Error("took a second adapter of a namespace")
		}
		synctest.Wait()
		slices.Sort(general.entries)
		general.want(t, "close /other y", "open / x", "open /other y")
		own.want(t, "open /other y")
		general.entries, own.entries = nil, nil

		e.socket(a).Join("z")
		e.socket(b).Join("z")
		for _, n := range []*Namespace{e.root, other} {
			if err := n.To("z").Emit(t.Context(), "hi"); err != nil {
				t.Error(err)
			}
		}
		general.want(t, "open / z", "publish /")
		own.want(t, "open /other z", "publish /other")

		if err := e.io.SetAdapter(nil); err != nil {
			t.Error(err)
		}
		e.socket(b).Leave("z")
		e.socket(a).Leave("z")
		own.want(t, "open /other z", "publish /other", "close /other z")
		general.want(t, "open / z", "publish /")
		general.entries, own.entries = nil, nil

		if err := e.io.SetAdapter(&general); err != nil {
			t.Error(err)
		}
		general.want(t, "open / x")
		if err := other.SetAdapter(nil); err != nil {
			t.Error(err)
		}
		general.want(t, "open / x", "open /other y")
		own.want(t)
	})
}

func TestAdapterMayCallBack(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		s := e.socket(c)
		a := &reentrant{s: s}
		if err := e.io.SetAdapter(a); err != nil {
			t.Fatal(err)
		}
		s.Join("1")
		if got, want := fmt.Sprint(a.heard), "[+1 +11 +111 -1 -11 -111]"; got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
	})
}

type reentrant struct {
	adapterLog
	s     *Socket
	heard []string
}

func (a *reentrant) RoomOpened(_, room string) {
	a.heard = append(a.heard, "+"+room)
	if len(room) < 3 {
		a.s.Join(room + "1")
	} else {
		for _, r := range a.s.Rooms() {
			a.s.Leave(r)
		}
	}
}

func (a *reentrant) RoomClosed(_, room string) { a.heard = append(a.heard, "-"+room) }

func TestAdapterCarriesBroadcasts(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		near := e.join("/")
		e.socket(near).Join("x")
		peer, err := NewServer(Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close(t.Context())
		// The other process publishes to this one.
		if err := peer.SetAdapter(&adapterLog{peer: e.io}); err != nil {
			t.Fatal(err)
		}
		if err := peer.Of("/").To("x").Emit(t.Context(), "hi", []byte("z")); err != nil {
			t.Error(err)
		}
		near.want(`451-["hi",{"_placeholder":true,"num":0}]`, "b:z")
		peer.Of("/").To("x").Local().Emit(t.Context(), "not this")
		peer.Of("/").To("x").Except(e.socket(near).ID()).Emit(t.Context(), "nor this")
		peer.Of("/unknown").Emit(t.Context(), "nor that")
		peer.Of("/").To().Emit(t.Context(), "for nobody")
		peer.Of("/").To().Disconnect(t.Context())
		e.io.DeliverLocal(&Broadcast{Namespace: "/"})
		near.wantNothing()
		peer.Of("/").Emit(t.Context(), "for all")
		near.want(`42["for all"]`)
		peer.Of("/").To("x").Disconnect(t.Context())
		near.want("41")
	})
}

func TestSocketThatEndedBeforeItWasListed(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		s := newSocket(nil, e.root, nil)
		e.root.drop(s)
		e.root.list(s)
		if err := s.Join("x"); !errors.Is(err, ErrDisconnected) || e.root.Len() != 0 || s.InRoom("x") {
			t.Errorf("it is listed for ever; joining a room returns %v", err)
		}
	})
}

// TestRoomsAgreeWithAModel joins and leaves at random and compares with maps.
func TestRoomsAgreeWithAModel(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	server, err := NewServer(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	n := server.Of("/")
	type pair struct{ s, room int }
	model := map[pair]bool{}
	sockets := make([]*Socket, 200)
	for i := range sockets {
		sockets[i] = newSocket(nil, n, nil)
		n.list(sockets[i])
	}
	for range 20_000 {
		p := pair{rng.IntN(len(sockets)), rng.IntN(5)}
		s, room := sockets[p.s], fmt.Sprint(p.room)
		switch op := rng.IntN(100); {
		case op < 50:
			s.Join(room)
			model[p] = s.listed
		case op < 99:
			s.Leave(room)
			model[p] = false
		default:
			n.drop(s)
			for r := range 5 {
				model[pair{p.s, r}] = false
			}
			sockets[p.s] = newSocket(nil, n, nil)
			n.list(sockets[p.s])
		}
	}
	for _, r := range n.rooms {
		for i, s := range r.members {
			if m := s.rooms[r.places[i]]; m.room != r || m.index != i {
				t.Fatalf("member %d of room %s is not entry %d of its socket", i, r.name, r.places[i])
			}
		}
	}
	for room := range 5 {
		members := slices.Collect(n.InRoom(fmt.Sprint(room)))
		for i, s := range sockets {
			want := model[pair{i, room}]
			if s.InRoom(fmt.Sprint(room)) != want || slices.Contains(members, s) != want {
				t.Fatalf("socket %d in room %d: %v, in its list: %v, want %v", i, room, !want, slices.Contains(members, s), want)
			}
		}
		if len(distinct(slices.Clone(members))) != len(members) {
			t.Errorf("room %d lists a socket twice", room)
		}
	}
	if got := len(slices.Collect(n.All())); got != len(sockets) || n.Len() != got {
		t.Errorf("%d sockets listed, Len says %d", got, n.Len())
	}
	for _, s := range sockets {
		n.drop(s)
	}
	if n.Len() != 0 || len(n.rooms) != 0 {
		t.Errorf("%d sockets and %d rooms left", n.Len(), len(n.rooms))
	}
}

// A list of rooms that a client made up costs no more for naming one again.
func TestRepeatedRoomsAreLookedAtOnce(t *testing.T) {
	n := newNamespace(nil, "/")
	for range 100 {
		s := newSocket(nil, n, nil)
		n.list(s)
		n.mu.Lock()
		n.enter(s, n.rooms["x"], "x")
		n.mu.Unlock()
	}
	list := n.collect(nil, audience{narrowed: true, rooms: slices.Repeat([]string{"x"}, 10_000), except: slices.Repeat([]string{"z"}, 10_000)})
	if len(list) != 100 || cap(list) > 1000 {
		t.Errorf("%d sockets collected in a list of %d", len(list), cap(list))
	}
}

func TestKeys(t *testing.T) {
	name, age, other := NewKey[string](), NewKey[int](), NewKey[string]()
	s, s2 := new(Socket), new(Socket)
	if _, ok := name.Get(s); ok {
		t.Error("a fresh socket carries a value")
	}
	name.Set(s, "x")
	age.Set(s, 7)
	name.Set(s, "y")
	if v, ok := name.Get(s); v != "y" || !ok {
		t.Errorf("name %q, %v", v, ok)
	}
	if v, ok := age.Get(s); v != 7 || !ok {
		t.Errorf("age %d, %v", v, ok)
	}
	if v, ok := other.Get(s); ok {
		t.Errorf("the other key finds %q", v)
	}
	if v, ok := name.Get(s2); ok {
		t.Errorf("the other socket has %q", v)
	}
}
