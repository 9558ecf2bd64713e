package engine

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

func token(ack wireAck) string { return `,"resume":"` + ack.Self.Resume + `"` }

// A reload within two seconds broadcasts nothing, on the same node and on
// another one.
func TestResumeBroadcastsNothing(t *testing.T) {
	for _, to := range []int{0, 1} {
		inWorld(t, 2, func(w *world) {
			a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
			first := a.join("r", "ann", `,"state":{"x":1},"graceMs":15000`)
			if first.Self.GraceMs != 15000 || first.Self.Resume == "" {
				t.Errorf("self: %+v", first.Self)
			}
			b.join("r", "bob", "")
			a.patch(`{"y":2}`)
			b.heard()
			a.end(store.ReasonDisconnect, false)
			time.Sleep(time.Second)
			a2 := w.connect(w.nodes[to], "a2")
			ack := a2.join("r", "ann", token(first)+`,"graceMs":15000`)
			if !ack.Resumed || ack.Self.ConnID != "sock-a" || ack.Self.Epoch != 1+member.ResumeStep || ack.Self.Resume != first.Self.Resume {
				t.Errorf("to node %d: %+v", to, ack.Self)
			}
			want(t, "a2 hears no join", a2.heard(), "")
			w.rest(time.Minute)
			want(t, "b hears nothing", b.heard(), "")
			w.agree("r")
			if ack := a2.patch(`{"z":3}`); !ack.Changed {
				t.Errorf("patch after the resume: %+v", ack)
			}
			want(t, "b", b.heard(), `update ann@r {"x":1,"y":2,"z":3}`)
			a2.end(store.ReasonDisconnect, true)
			want(t, "b", b.heard(), `leave ann@r disconnect`)
			w.agree("r")
		})
	}
}

func TestResumeWithAnotherStateShowsOneUpdate(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		first := a.join("r", "ann", `,"state":{"x":1},"graceMs":15000`)
		b.join("r", "bob", "")
		b.heard()
		a.end(store.ReasonDisconnect, false)
		w.connect(w.nodes[1], "a2").join("r", "ann", token(first)+`,"state":{"x":2}`)
		want(t, "b", b.heard(), `update ann@r {"x":2}`)
		w.agree("r")
	})
}

// A join that brings a state to begin with does not overwrite the one that a
// resumed owned member has, and needs no second step for a new member.
func TestKeepStateIsForANewMemberAlone(t *testing.T) {
	for _, to := range []int{0, 1} {
		inWorld(t, 2, func(w *world) {
			a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
			first := a.join("r", "ann", `,"state":{"x":1},"graceMs":15000,"keepState":true`)
			b.join("r", "bob", "")
			a.patch(`{"y":2}`)
			b.heard()
			a.end(store.ReasonDisconnect, false)
			a2 := w.connect(w.nodes[to], "a2")
			if ack := a2.join("r", "ann", token(first)+`,"state":{"x":9},"keepState":true`); !ack.Resumed {
				t.Errorf("to node %d: %+v", to, ack)
			}
			want(t, "b hears nothing of a resume", b.heard(), "")
			a2.join("r", "ann", `,"state":{"x":9},"keepState":true`) // once more, by the same connection
			want(t, "b", b.heard(), `join ann@r {"x":1,"y":2}`)
			w.agree("r")
			w.connect(w.nodes[to], "a3").join("r", "ann", `,"resume":"nobody.x","state":{"x":9},"keepState":true`)
			want(t, "b", b.heard(), `join ann@r {"x":9}`)
		})
	}
}

func TestGraceShowsAwayAndThenLeave(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		first := a.join("r", "ann", `,"state":{"x":1},"graceMs":10000`)
		b.join("r", "bob", "")
		b.heard()
		a.end(store.ReasonDisconnect, false)
		time.Sleep(1900 * time.Millisecond)
		want(t, "before 2 s", b.heard(), "")
		time.Sleep(200 * time.Millisecond)
		want(t, "after 2 s", b.heard(), `update ann@r {"x":1} away`)
		w.agree("r")
		a2 := w.connect(w.nodes[0], "a2")
		if ack := a2.join("r", "ann", token(first)); !ack.Resumed || ack.Self.GraceMs != 10000 {
			t.Errorf("resume without graceMs keeps it: %+v", ack.Self)
		}
		want(t, "back", b.heard(), `update ann@r {"x":1}`)
		a2.end(store.ReasonTimeout, false)
		time.Sleep(9900 * time.Millisecond)
		want(t, "away again", b.heard(), `update ann@r {"x":1} away`)
		time.Sleep(200 * time.Millisecond)
		want(t, "the end", b.heard(), `leave ann@r timeout`)
		w.agree("r")
		b.end(store.ReasonDisconnect, true)
		synctest.Wait()
		if n := len(w.nodes[0].Rooms.All()); n != 0 {
			t.Errorf("%d replicas left", n)
		}
	})
}

func TestAwayIsSkippedForAShortGrace(t *testing.T) {
	for graceMs, seen := range map[int]string{1500: "", 3999: "", 4000: "update ann@r {} away\n"} {
		inWorld(t, 1, func(w *world) {
			a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
			a.join("r", "ann", fmt.Sprintf(`,"graceMs":%d`, graceMs))
			b.join("r", "bob", "")
			b.heard()
			a.end(store.ReasonDisconnect, false)
			time.Sleep(5 * time.Second)
			want(t, fmt.Sprint(graceMs), b.heard(), seen+"leave ann@r disconnect")
		})
	}
}

func TestLeaveWithGrace(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, p, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "p"), w.connect(w.nodes[1], "b")
		first := a.join("r", "ann", `,"graceMs":60000`)
		p.join("r", "pat", "")
		b.join("r", "bob", "")
		a.heard()
		b.heard()
		p.send("leave", `{"graceMs":3000}`).wait()
		want(t, "one without a token leaves at once", b.heard(), "leave pat@r leave")
		a.heard()
		a.send("leave", `{"graceMs":3000}`).wait()
		if ack := a.send("heartbeat", `{}`).wait(); ack.Code != wire.CodeNotJoined {
			t.Errorf("after the leave: %+v", ack)
		}
		a.end(store.ReasonDisconnect, false)
		time.Sleep(time.Second)
		want(t, "nothing yet", b.heard(), "")
		a2 := w.connect(w.nodes[1], "a2")
		if ack := a2.join("r", "ann", token(first)+`,"graceMs":60000`); !ack.Resumed || ack.Self.GraceMs != 60000 {
			t.Errorf("resume on the other node: %+v", ack.Self)
		}
		time.Sleep(10 * time.Second)
		want(t, "nobody saw it", b.heard(), "")
		a2.send("leave", `{"graceMs":3000}`).wait()
		time.Sleep(3100 * time.Millisecond)
		want(t, "gone for good, without a blink of away", b.heard(), "leave ann@r leave")
		w.agree("r")
	})
}

func TestResumeOverAHalfOpenConnection(t *testing.T) {
	for _, to := range []int{0, 1} {
		inWorld(t, 2, func(w *world) {
			a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
			first := a.join("r", "ann", `,"graceMs":15000`)
			b.join("r", "bob", "")
			a.heard()
			b.heard()
			a2 := w.connect(w.nodes[to], "a2")
			if ack := a2.join("r", "ann", token(first)); !ack.Resumed {
				t.Errorf("to node %d: %+v", to, ack)
			}
			synctest.Wait()
			if ack := a.patch(`{"late":1}`); ack.Code != wire.CodeNotJoined {
				t.Errorf("the old socket: %+v", ack)
			}
			if a.entered["r"] {
				t.Error("the old socket is still in the Socket.IO room")
			}
			// It may join anew: as somebody with a connId of its own.
			if ack := a.join("r", "ann", ""); !ack.OK || ack.Self.ConnID == "sock-a" {
				t.Errorf("a new join of the old socket: %+v", ack)
			}
			a.end(store.ReasonDisconnect, false)
			if got := b.heard(); got != "join ann@r {}\nleave ann@r disconnect" {
				t.Errorf("b: %s", got)
			}
			w.agree("r")
		})
	}
}

func TestTokensThatFitNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		first := a.join("r", "ann", `,"graceMs":5000`)
		a.join("s", "ann", `,"graceMs":5000`)
		for i, more := range []string{
			`,"resume":"sock-a.wrong"`, `,"resume":"sock-a"`, `,"resume":""`, `,"resume":"` + strings.Repeat("x", 9000) + `"`,
		} {
			c := w.connect(w.nodes[0], "c"+string(rune('0'+i)))
			if ack := c.join("r", "ann", more); !ack.OK || ack.Resumed || ack.Self.ConnID == "sock-a" {
				t.Errorf("%.40s: %+v", more, ack)
			}
		}
		if ack := b.join("r", "bob", token(first)); ack.Resumed {
			t.Errorf("as another user: %+v", ack)
		}
		if ack := b.join("s", "ann", token(first)); ack.Resumed {
			t.Errorf("in another room: %+v", ack)
		}
		if ack := a.join("r", "ann", token(first)+`,"graceMs":5000`); ack.Resumed || ack.Self.Epoch != 2 || ack.Self.Resume != first.Self.Resume {
			t.Errorf("from the socket that is in it: %+v", ack)
		}
		a.end(store.ReasonDisconnect, false)
		time.Sleep(6 * time.Second)
		if ack := w.connect(w.nodes[0], "late").join("r", "ann", token(first)); ack.Resumed {
			t.Errorf("after its grace: %+v", ack)
		}
		w.agree("r")
		w.agree("s")
	})
}

// A connection that was in two rooms is resumed elsewhere in one of them: its
// record goes when the last of its members leaves, whichever that is.
func TestAConnectionThatIsResumedInPart(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.steady()
		a := w.connect(w.nodes[0], "a")
		ack := a.join("r", "ann", `,"graceMs":20000`)
		a.join("s", "ann", `,"graceMs":20000`)
		a.Drop()
		b := w.connect(w.nodes[1], "b")
		if ack := b.join("r", "ann", token(ack)+`,"graceMs":30000`); !ack.Resumed {
			t.Fatalf("%+v", ack)
		}
		w.rest(25 * time.Second)
		b.send("leave", `{}`).wait()
		w.rest(time.Second)
		for _, key := range w.store.(interface{ Keys() []string }).Keys() {
			if strings.HasPrefix(key, "conn:") {
				t.Errorf("left: %s", key)
			}
		}
	})
}
