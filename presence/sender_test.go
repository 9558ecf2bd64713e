package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// custom returns the next event that is none of presence's.
func (w *wire) custom() string {
	w.t.Helper()
	for {
		if e := w.event(); !strings.HasPrefix(e, `["presence:`) {
			return e
		}
	}
}

// sentBy splits the sender off an event.
func sentBy(t *testing.T, event string) (rest string, sender struct {
	ConnID, UserID, RoomID string
	TS                     int64
}) {
	t.Helper()
	var args []json.RawMessage
	if err := json.Unmarshal([]byte(event), &args); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	last := args[len(args)-1]
	if err := json.Unmarshal(last, &sender); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	b, err := json.Marshal(args[:len(args)-1])
	if err != nil {
		t.Fatal(err)
	}
	return string(b), sender
}

// twoNodes serves two servers that share a store.
func twoNodes(t *testing.T, o presence.Options) (a, b string) {
	t.Helper()
	st := memstore.New(memstore.Options{})
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	o.Store = storetest.Shared(st)
	_, a = serve(t, o)
	_, b = serve(t, o)
	return a, b
}

// A relayed event ends with who sent it, for sockets that asked, on every server;
// for the others it is what it was. Nobody can speak as somebody else.
func TestRelayedEventsNameTheirSender(t *testing.T) {
	one, two := twoNodes(t, presence.Options{RelayEvents: []string{"chat"}})
	a, stock := connect(t, one, ""), connect(t, one, "")
	near, far := connect(t, one, ""), connect(t, two, "")
	ack := a.ask("presence:join", `{"roomId":"r","userId":"ann \"x\""}`)
	if strings.Contains(ack, "sender") {
		t.Errorf("a join that did not ask for senders: %s", ack)
	}
	stock.ask("presence:join", `{"roomId":"r","userId":"s"}`)
	for _, w := range []*wire{near, far} {
		if ack := w.ask("presence:join", `{"roomId":"r","userId":"w","sender":true}`); !strings.Contains(ack, `"sender":true`) {
			t.Errorf("the answer to a join that asked for senders: %s", ack)
		}
	}
	var self struct{ Self struct{ ConnID string } }
	if err := json.Unmarshal([]byte(ack), &self); err != nil {
		t.Fatal(err)
	}
	forged := `{"connId":"x","userId":"boss","roomId":"r","ts":1}`
	for _, message := range []string{
		`["chat",{"roomId":"r"},` + forged + `]`,
		`["presence:emit",{"roomId":"r","event":"chat","args":[{"roomId":"r"},` + forged + `]}]`,
		`["presence:emit",{"roomId":"r","event":"chat"}]`,
		"[\"chat\" , {\"roomId\":\"r\"}\t] \n",
	} {
		a.send("427" + message)
		if got := a.next("437"); got != `[{"ok":true}]` {
			t.Fatalf("%s: %s", message, got)
		}
		plain := stock.custom()
		for _, w := range []*wire{near, far} {
			rest, sender := sentBy(t, w.custom())
			var want, got any
			if json.Unmarshal([]byte(plain), &want) != nil || json.Unmarshal([]byte(rest), &got) != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s came as %s, plain as %s", message, rest, plain)
			}
			if sender.ConnID != self.Self.ConnID || sender.UserID != `ann "x"` || sender.RoomID != "r" || sender.TS < 1e12 {
				t.Errorf("%s is said to be from %+v", message, sender)
			}
		}
	}
}

// What the application sends is from nobody, and presence's own events stay as
// they are.
func TestOtherEventsHaveNoSender(t *testing.T) {
	_, url, io := serveIO(t, presence.Options{})
	var direct atomic.Pointer[socketio.Socket]
	io.Of("/").OnInline("me", func(_ context.Context, s *socketio.Socket, m *socketio.Message) error {
		direct.Store(s)
		return m.Ack().Send()
	})
	a := connect(t, url, "")
	a.ask("me", "")
	s := direct.Load()
	if err := s.Emit("before"); err != nil {
		t.Fatal(err)
	}
	a.ask("presence:join", `{"roomId":"r","userId":"a","sender":true}`)
	a.ask("presence:join", `{"roomId":"s","userId":"a"}`) // does not take it back
	_ = s.Emit("direct", 1)
	_ = io.Of("/").To("r").Emit(t.Context(), "room")
	_ = io.Of("/").Emit(t.Context(), "all", []byte{1})
	_ = io.Of("/").Emit(t.Context(), "presence:own", 2)
	go func() { _, _ = s.EmitWithAck(t.Context(), "question", 3) }()
	for _, want := range []string{`["before"]`, `["direct",1,null]`, `["room",null]`} {
		if got := a.custom(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := a.next("451-"); got != `["all",{"_placeholder":true,"num":0},null]` {
		t.Errorf("with an attachment: %s", got)
	}
	if got := a.custom(); got != `["presence:own",2]` && !strings.HasPrefix(got, `0["question"`) {
		t.Error(got)
	}
}

// A socket in several of the rooms hears an event once, from the member that its
// sender is in the one through which it heard.
func TestSenderIsThatOfTheRoom(t *testing.T) {
	one, two := twoNodes(t, presence.Options{RelayEvents: []string{"chat"}})
	a, both, second := connect(t, one, ""), connect(t, two, ""), connect(t, one, "")
	a.ask("presence:join", `{"roomId":"r","userId":"ann"}`)
	a.ask("presence:join", `{"roomId":"s","userId":"bob"}`)
	for _, room := range []string{"r", "s"} {
		both.ask("presence:join", `{"roomId":"`+room+`","userId":"x","sender":true}`)
	}
	second.ask("presence:join", `{"roomId":"s","userId":"x","sender":true}`)
	a.ask("chat", `1`)
	a.ask("chat", `2`)
	for _, n := range []string{"1", "2"} {
		if rest, sender := sentBy(t, both.custom()); rest != `["chat",`+n+`]` || sender.RoomID != "r" || sender.UserID != "ann" {
			t.Errorf("in both rooms: %s from %+v", rest, sender)
		}
		if rest, sender := sentBy(t, second.custom()); rest != `["chat",`+n+`]` || sender.RoomID != "s" || sender.UserID != "bob" {
			t.Errorf("in the second room: %s from %+v", rest, sender)
		}
	}
}

// After a resume a member's connId is not the socket's id; MemberOf and the sender
// know it all the same.
func TestMemberOfAResumedSocket(t *testing.T) {
	_, url, io := serveIO(t, presence.Options{RelayEvents: []string{"chat"}})
	io.Of("/").OnInline("who", func(_ context.Context, s *socketio.Socket, m *socketio.Message) error {
		who, ok := presence.MemberOf(s, "r")
		_, elsewhere := presence.MemberOf(s, "s")
		return m.Ack().Send(fmt.Sprint(who.ConnID, " ", who.UserID, " ", ok, elsewhere, s.ID() == who.ConnID))
	})
	a, b := connect(t, url, ""), connect(t, url, "")
	if got := a.ask("who", ""); got != `"  false false false"` {
		t.Errorf("before the join: %s", got)
	}
	var joined struct {
		Self struct{ ConnID, Resume string }
	}
	if err := json.Unmarshal([]byte(a.ask("presence:join", `{"roomId":"r","userId":"ann","graceMs":9000}`)), &joined); err != nil {
		t.Fatal(err)
	}
	id := joined.Self.ConnID
	if got := a.ask("who", ""); got != `"`+id+` ann true false true"` {
		t.Errorf("after the join: %s", got)
	}
	b.ask("presence:join", `{"roomId":"r","userId":"ann","resume":"`+joined.Self.Resume+`","graceMs":9000}`)
	if got := b.ask("who", ""); got != `"`+id+` ann true false false"` {
		t.Errorf("after the resume: %s", got)
	}
	c := connect(t, url, "")
	c.ask("presence:join", `{"roomId":"r","userId":"c","sender":true}`)
	b.ask("presence:emit", `{"roomId":"r","event":"chat"}`)
	if _, sender := sentBy(t, c.custom()); sender.ConnID != id {
		t.Errorf("relayed by %+v, want connId %s", sender, id)
	}
	b.ask("presence:leave", "")
	if got := b.ask("who", ""); got != `"  false false false"` {
		t.Errorf("after the leave: %s", got)
	}
}
