package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

func TestJoinAnswersThenShows(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		ack := a.join("r", "ann", `,"state":{"n":1e400}`)
		if !ack.OK || ack.Self.ConnID != "sock-a" || ack.Self.Epoch != 1 || ack.Resumed || ack.Self.Resume != "" || ack.Seq == 0 {
			t.Errorf("ack: %+v", ack)
		}
		if len(ack.Snapshot) != 1 || string(ack.Snapshot[0].State) != `{"n":1e400}` || ack.Snapshot[0].Status != "online" {
			t.Errorf("snapshot: %+v", ack.Snapshot)
		}
		want(t, "a hears its own join", a.heard(), `join ann@r {"n":1e400}`)
		if ack := b.join("r", "bob", ""); len(ack.Snapshot) != 2 {
			t.Errorf("snapshot: %+v", ack.Snapshot)
		}
		want(t, "a hears b", a.heard(), `join bob@r {}`)
		want(t, "b hears itself", b.heard(), `join bob@r {}`)
		w.agree("r")
		a.end(store.ReasonDisconnect, true)
		want(t, "b hears a go", b.heard(), "leave ann@r disconnect")
		w.agree("r")
	})
}

func TestHeartbeat(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		if ack := a.send("heartbeat", `{}`).wait(); ack.Code != wire.CodeNotJoined {
			t.Errorf("before a join: %+v", ack)
		}
		a.join("r", "ann", `,"state":{"a":1}`)
		a.heard()
		for payload, wanted := range map[string]string{
			``:                                     `{"ok":true,"changed":false,"epoch":1}`,
			`null`:                                 `{"ok":true,"changed":false,"epoch":1}`,
			`{"roomId":"r","epoch":1}`:             `{"ok":true,"changed":false,"epoch":1}`,
			`{"epoch":99,"patchState":{}}`:         `{"ok":true,"changed":false,"epoch":1}`,
			`{"epoch":0,"patchState":{"a":2}}`:     `{"ok":true,"changed":false,"epoch":1,"stale":true}`,
			`{"patchState":{"a":1},"roomId":null}`: `{"ok":true,"changed":false,"epoch":1}`,
		} {
			p := a.send("heartbeat", payload)
			p.wait()
			want(t, payload, p.raw, wanted)
		}
		ack := a.patch(`{"a":null,"__proto__":[]}`)
		if !ack.OK || !ack.Changed || ack.Seq == 0 || ack.Epoch != 1 {
			t.Errorf("patch: %+v", ack)
		}
		want(t, "one update", a.heard(), `update ann@r {"a":null,"__proto__":[]}`)
		w.agree("r")
	})
}

// A heartbeat right behind a join waits for its answer, one behind a leave
// finds nothing.
func TestRequestsOfARoomTakeEffectInOrder(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		join := a.send("join", `{"roomId":"r","userId":"ann"}`)
		beat := a.send("heartbeat", `{}`)
		patch := a.send("heartbeat", `{"patchState":{"x":1}}`)
		leave := a.send("leave", ``)
		after := a.send("heartbeat", `{}`)
		again := a.send("join", `{"roomId":"r","userId":"ann"}`)
		synctest.Wait()
		if !join.ack.OK || !beat.ack.OK || beat.ack.Epoch != 1 || !patch.ack.Changed || !leave.ack.OK {
			t.Errorf("join %s, beat %s, patch %s, leave %s", join.raw, beat.raw, patch.raw, leave.raw)
		}
		if after.ack.Code != wire.CodeNotJoined {
			t.Errorf("heartbeat behind a leave: %s", after.raw)
		}
		if !again.ack.OK || again.ack.Self.Epoch != 2 {
			t.Errorf("join again: %s", again.raw)
		}
		w.agree("r")
	})
}

func TestRejoinRaisesTheEpochAndReplacesTheState(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", `,"state":{"a":1}`)
		b.join("r", "bob", "")
		a.heard()
		b.heard()
		if ack := a.join("r", "ann", ""); ack.Self.Epoch != 2 || ack.Self.ConnID != "sock-a" {
			t.Errorf("rejoin: %+v", ack)
		}
		want(t, "b", b.heard(), "join ann@r {}")
		if ack := a.send("heartbeat", `{"epoch":1}`).wait(); !ack.Stale || ack.Epoch != 2 {
			t.Errorf("the old epoch: %+v", ack)
		}
		if ack := a.join("r", "amy", ""); ack.Self.Epoch != 3 {
			t.Errorf("rejoin as another: %+v", ack)
		}
		want(t, "b sees the change of user", b.heard(), "leave ann@r leave\njoin amy@r {}")
		if got := a.heard(); strings.Contains(got, "leave") {
			t.Errorf("a hears its own leave: %s", got)
		}
		w.agree("r")
	})
}

func TestLeave(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		if ack := a.send("leave", ``).wait(); !ack.OK {
			t.Errorf("nothing to leave: %+v", ack)
		}
		for i := range 3 {
			a.join(fmt.Sprint("r", i), "ann", "")
			b.join(fmt.Sprint("r", i), "bob", "")
		}
		a.heard()
		b.heard()
		a.send("leave", `{"roomId":"r1"}`).wait()
		want(t, "b", b.heard(), "leave ann@r1 leave")
		if ack := a.send("heartbeat", `{"patchState":{"x":1}}`).wait(); ack.Code != wire.CodeInvalidPayload || !strings.Contains(ack.Error, "roomId") {
			t.Errorf("a patch for which room: %+v", ack)
		}
		p := a.send("heartbeat", `{}`)
		p.wait()
		want(t, "a heartbeat for all", p.raw, `{"ok":true,"changed":false}`)
		a.send("leave", `null`).wait()
		if got := b.heard(); !strings.Contains(got, "ann@r0 leave") || !strings.Contains(got, "ann@r2 leave") {
			t.Errorf("b: %s", got)
		}
		want(t, "a", a.heard(), "")
		if len(a.entered) != 0 {
			t.Errorf("a is still in Socket.IO rooms %v", a.entered)
		}
		b.end(store.ReasonDisconnect, false)
		synctest.Wait()
		if n := len(w.nodes[0].Rooms.All()); n != 0 {
			t.Errorf("%d replicas left", n)
		}
	})
}

func TestLimitOfRooms(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		for i := range 100 {
			if ack := a.join(fmt.Sprint(i), "ann", ""); !ack.OK {
				t.Fatalf("room %d: %+v", i, ack)
			}
		}
		if ack := a.join("100", "ann", ""); ack.Code != wire.CodeTooManyRooms {
			t.Errorf("room 101: %+v", ack)
		}
		if ack := a.join("7", "ann", ""); !ack.OK {
			t.Errorf("rejoin at the limit: %+v", ack)
		}
		a.send("leave", `{"roomId":"7"}`).wait()
		if ack := a.join("100", "ann", ""); !ack.OK {
			t.Errorf("after a leave: %+v", ack)
		}
	})
}

func TestSync(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		seq := a.join("r", "ann", "").Seq
		if ack := a.send("sync", fmt.Sprintf(`{"roomId":"r","seq":%d}`, seq)).wait(); !ack.OK || !ack.Unchanged || ack.Seq != seq {
			t.Errorf("current: %+v", ack)
		}
		if ack := a.send("sync", `{"roomId":"r","seq":1}`).wait(); ack.Unchanged || len(ack.Snapshot) != 1 || ack.Seq != seq {
			t.Errorf("old: %+v", ack)
		}
		if ack := a.send("sync", `{"roomId":"x"}`).wait(); ack.Code != wire.CodeNotJoined {
			t.Errorf("foreign room: %+v", ack)
		}
	})
}

func TestReaperClosesTheSilent(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		b.heard()
		for range 70 {
			time.Sleep(time.Second)
			b.pong()
		}
		want(t, "b", b.heard(), "leave ann@r timeout")
		if b.isGone() {
			t.Error("the one that answers pings was closed")
		}
		w.agree("r")
	})
}

func TestKick(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", "")
		a.join("s", "ann", "")
		b.join("r", "bob", "")
		a.heard()
		b.heard()
		n, err := w.nodes[1].Kick(context.Background(), KickTarget{RoomID: "r", UserID: "ann"})
		if n != 1 || err != nil {
			t.Errorf("kicked %d, %v", n, err)
		}
		want(t, "a hears it", a.heard(), "leave ann@r kicked")
		want(t, "b hears it", b.heard(), "leave ann@r kicked")
		if ack := a.send("heartbeat", `{"roomId":"r"}`).wait(); ack.Code != wire.CodeNotJoined {
			t.Errorf("after: %+v", ack)
		}
		if a.told {
			t.Error("disconnected though it is in another room")
		}
		if _, err := w.nodes[1].Kick(context.Background(), KickTarget{RoomID: "s", ConnID: "sock-a"}); err != nil {
			t.Error(err)
		}
		a.heard()
		if a.told {
			t.Error("disconnected though nobody asked for it")
		}
		for i, c := range []*client{a, b} { // on another node and on the same one
			c.join("t", "x", "")
			c.join("u", "x", "")
			c.send("leave", `{"roomId":"r"}`).wait()
			for _, room := range []string{"t", "u"} {
				target := KickTarget{RoomID: room, ConnID: "sock-" + c.name, Disconnect: true}
				if n, err := w.nodes[1].Kick(context.Background(), target); n != 1 || err != nil {
					t.Errorf("%d: kicked %d, %v", i, n, err)
				}
				c.heard()
				if c.told != (room == "u") {
					t.Errorf("%d: after the kick out of %s disconnected is %v", i, room, c.told)
				}
			}
		}
	})
}

func TestDrain(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, g, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "g"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", "")
		token := g.join("r", "gil", `,"state":{"x":1},"graceMs":10000`).Self.Resume
		b.join("r", "bob", "")
		b.heard()
		if err := w.nodes[0].drain(context.Background()); err != nil {
			t.Error(err)
		}
		if ack := a.send("join", `{"roomId":"r","userId":"ann"}`).wait(); ack.Code != wire.CodeShuttingDown {
			t.Errorf("join while draining: %+v", ack)
		}
		want(t, "b", b.heard(), "leave ann@r shutdown")
		g2 := w.connect(w.nodes[1], "g2")
		if ack := g2.join("r", "gil", `,"resume":"`+token+`"`); !ack.Resumed || ack.Self.ConnID != "sock-g" {
			t.Errorf("resume elsewhere: %+v", ack)
		}
		want(t, "b hears nothing of it", b.heard(), "")
		w.agree("r")
	})
}
