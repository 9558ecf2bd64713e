package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// expecting joins a client that expects senders.
func (e *env) expecting(rooms ...string) *client {
	e.tb.Helper()
	c := e.join("/")
	s := e.socket(c)
	s.Join(rooms...)
	if err := s.ExpectSender(Ack{}, nil, nil, nil); err != nil {
		e.tb.Fatal(err)
	}
	return c
}

// A socket that expects a sender gets one more argument with each event, of any
// kind; the others get what was sent.
func TestEventsEndWithTheirSender(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		release, err := e.root.Reserve("other:")
		if err != nil {
			t.Fatal(err)
		}
		release()
		if _, err = e.root.Reserve("sys:"); err != nil {
			t.Fatal(err)
		}
		if _, err = e.root.Reserve("more:"); err == nil {
			t.Error("reserved twice")
		}
		plain, c := e.join("/"), e.expecting("x")
		e.socket(plain).Join("x")
		ann := json.RawMessage(`{"who":"ann"}`)
		all := e.root.To("x")
		for _, err := range []error{
			all.Emit(t.Context(), "none"),
			all.Emit(t.Context(), "one", 1, []byte("b")),
			e.root.To().ToAs("x", ann).Emit(t.Context(), "ann", []byte("b")),
			all.Emit(t.Context(), "sys:x", 1),
			e.root.To().ToAs("x", ann).Emit(t.Context(), "sys:y", 1),
			e.socket(c).Emit("direct", 2),
			e.socket(plain).Emit("direct", 2),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		plain.want(`42["none"]`, `451-["one",1,{"_placeholder":true,"num":0}]`, "b:b", `451-["ann",{"_placeholder":true,"num":0}]`, "b:b",
			`42["sys:x",1]`, `42["sys:y",1]`, `42["direct",2]`)
		c.want(`42["none",null]`, `451-["one",1,{"_placeholder":true,"num":0},null]`, "b:b",
			`451-["ann",{"_placeholder":true,"num":0},{"who":"ann"}]`, "b:b",
			`42["sys:x",1]`, `42["sys:y",1]`, `42["direct",2,null]`)
		ctx, cancel := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		asking.Go(func() { _, _ = e.socket(c).EmitWithAck(ctx, "question", 3) })
		c.want(`420["question",3,null]`)
		cancel()
		asking.Wait()
	})
}

// One packet may go out several times, with and without senders.
func TestPacketWithSeveralSenders(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		both, second, plain := e.expecting("x", "y"), e.expecting("y"), e.join("/")
		e.socket(plain).Join("x", "y")
		p, err := NewEventRaw("/", []byte(" [ \"a\\u0062\" ] "))
		if err != nil {
			t.Fatal(err)
		}
		x, y := json.RawMessage(`"x"`), json.RawMessage(`"y"`)
		for _, b := range []Broadcaster{
			e.root.To().ToAs("x", x).ToAs("y", y), e.root.To("x", "y"), e.root.To("x").ToAs("y", y), e.root.To().ToAs("y", y).To("z").ToAs("x", x),
		} {
			if err := b.Send(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		for c, senders := range map[*client][]string{both: {`"x"`, `null`, `null`, `"y"`}, second: {`"y"`, `null`, `"y"`, `"y"`}} {
			for _, sender := range senders {
				c.want("42 [ \"a\\u0062\" ," + sender + "]")
			}
			c.wantNothing()
		}
		for range 4 {
			plain.want("42 [ \"a\\u0062\" ] ")
		}
		plain.wantNothing()
	})
}

// Whatever is sent at the same time, every event before the acknowledgement is as
// it was sent, and every one after it has a sender: else a client would take the
// last argument of an event for its sender.
func TestSendersBeginWithTheAcknowledgement(t *testing.T) {
	e := newTCPEnv(t, Config{})
	e.root.OnInline("expect", func(_ context.Context, s *Socket, m *Message) error {
		return s.ExpectSender(m.Ack(), []byte(`"from now on"`), nil, nil)
	})
	const senders, events = 4, 20
	for range 20 {
		c := e.join("/")
		s := e.socket(c)
		c.send(`421["expect"]`)
		var sending sync.WaitGroup
		for range senders {
			sending.Go(func() {
				for range events {
					_ = e.root.To(s.ID()).Emit(context.Background(), "tick", "forged")
					_ = s.Emit("tick", "forged")
				}
			})
		}
		began := false
		for range 2*senders*events + 1 {
			switch got := c.recv(); {
			case got == `431["from now on"]`:
				began = true
			case began != strings.HasSuffix(got, `,null]`):
				t.Fatalf("acknowledged: %v, then %s", began, got)
			}
		}
		sending.Wait()
	}
}

func TestBroadcastCodecCarriesSenders(t *testing.T) {
	packet := testBroadcasts(t)[0].Packet
	for _, b := range []*Broadcast{
		{Namespace: "/", Rooms: []string{"a", "b"}, Senders: []json.RawMessage{json.RawMessage(`{"a":1}`)}, Packet: packet},
		{Namespace: "/x", Rooms: []string{"a", "b"}, Senders: []json.RawMessage{nil, json.RawMessage(`1`)}, Volatile: true, Packet: packet},
		{Namespace: "/", All: true, Volatile: true, Packet: packet},
		{Namespace: "/", Volatile: true, Packet: packet},
	} {
		wire := AppendBroadcast(nil, b)
		got, err := ParseBroadcast(wire)
		if err != nil {
			t.Fatalf("%+v: %v", b, err)
		}
		clear(wire)
		if !reflect.DeepEqual(got.Senders, b.Senders) || got.Volatile != b.Volatile || got.All != b.All || !reflect.DeepEqual(got.Rooms, b.Rooms) {
			t.Errorf("%+v became %+v", b, got)
		}
	}
	for name, b := range map[string]*Broadcast{
		"more senders than rooms": {Namespace: "/", Senders: []json.RawMessage{null}, Packet: packet},
		"sender that is no JSON":  {Namespace: "/", Rooms: []string{"a"}, Senders: []json.RawMessage{json.RawMessage(`{]`)}, Packet: packet},
	} {
		if got, err := ParseBroadcast(AppendBroadcast(nil, b)); err == nil {
			t.Errorf("%s: parsed as %+v", name, got)
		}
	}
	for _, cut := range [][]byte{{2}, {2, 0}, {2, 0, 1, 1}} {
		if got, err := ParseBroadcast(cut); err == nil {
			t.Errorf("%v: parsed as %+v", cut, got)
		}
	}
}

// Volatile events pass by a connection that has enough to take already.
func TestVolatileEvents(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		quick, slow := e.join("/"), e.open()
		slow.join("/")
		slowSocket := e.socket(slow)
		big := bytes.Repeat([]byte("x"), 1000)
		_ = quick
		e.io.Engine().Cork() // nothing leaves
		held := 0
		for held = 0; slowSocket.conn.session.Queued() <= maxVolatileQueue; held++ {
			if err := slowSocket.Emit("fill", string(big)); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.root.Local().Volatile().Emit(t.Context(), "cursor", 1); err != nil {
			t.Fatal(err)
		}
		if err := e.root.Local().Emit(t.Context(), "word", 1); err != nil {
			t.Fatal(err)
		}
		e.io.Engine().Uncork()
		quick.want(`42["cursor",1]`, `42["word",1]`)
		for range held {
			slow.recv()
		}
		slow.want(`42["word",1]`)
		e.settle()
		if err := e.root.Local().Volatile().Emit(t.Context(), "cursor", 2); err != nil {
			t.Fatal(err)
		}
		slow.want(`42["cursor",2]`)
	})
}

// Events cost the same for sockets that expect a sender: once encoded for all.
func TestSenderAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e := newTCPEnv(t, Config{})
	const sockets = 10
	for range sockets {
		e.expecting("x")
	}
	p, err := NewEvent("/", "news", []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	list := new([]*Socket)
	_ = e.root.To("x").Send(context.Background(), p)
	none := testing.AllocsPerRun(100, func() {
		o := outgoing{packet: p}
		for _, s := range e.root.collect((*list)[:0], audience{narrowed: true, rooms: []string{"x"}}) {
			_ = o.framesWithSender(s.ns)
		}
	})
	ann := json.RawMessage(`"ann"`)
	signed := testing.AllocsPerRun(100, func() {
		o := outgoing{packet: p, sender: ann}
		for _, s := range e.root.collect((*list)[:0], audience{narrowed: true, rooms: []string{"x"}}) {
			_ = o.framesWithSender(s.ns)
		}
	})
	if signed-none > 4 { // the frame and the list of it
		t.Errorf("%v allocations for %d sockets, %v without a sender", signed, sockets, none)
	}
}
