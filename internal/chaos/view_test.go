//go:build unix

package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// recorder is a witness that keeps what it is told.
type recorder struct {
	kinds           []complaint
	leaves, returns []string
	again           []string
	syncs           int
}

func (r *recorder) complain(kind complaint, _ string, _ ...any) { r.kinds = append(r.kinds, kind) }
func (r *recorder) sawLeave(tag string, _ *event)               { r.leaves = append(r.leaves, tag) }
func (r *recorder) sawReturn(tag string, _ *event)              { r.returns = append(r.returns, tag) }
func (r *recorder) sawAgain(tag string, _ *event)               { r.again = append(r.again, tag) }
func (r *recorder) mayHaveLeft() bool                           { return false }
func (r *recorder) requestSync(string, int64)                   { r.syncs++ }

func num(n int64) *int64 { return &n }

func someEvent(kind, conn string, seq, prev int64, conns int) *event {
	e := &event{Type: kind, RoomID: "r", ConnID: conn, UserID: "u-" + conn, Epoch: 1, Ts: 1, Seq: seq, Prev: num(prev), UserConns: &conns}
	if kind == "leave" {
		e.Reason = "leave"
	} else {
		e.Status, e.State = "online", json.RawMessage(fmt.Sprintf(`{"by":%q}`, conn))
	}
	return e
}

// joinedView is a view of a room with a and b, joined as a at seq 10.
func joinedView(r *recorder) *view {
	v := newView("r", r)
	v.hold()
	a := &answer{OK: true, Seq: 10}
	a.Self.ConnID, a.Self.Epoch = "a", 1
	for _, id := range []string{"a", "b"} {
		a.Snapshot = append(a.Snapshot, entry{ConnID: id, UserID: "u-" + id, State: json.RawMessage(fmt.Sprintf(`{"by":%q}`, id)), Status: "online"})
	}
	v.release(a)
	return v
}

func TestViewComplains(t *testing.T) {
	for name, c := range map[string]struct {
		events []*event
		want   []complaint
	}{
		"nothing wrong": {[]*event{
			someEvent("join", "a", 10, 9, 1), someEvent("join", "c", 11, 10, 1),
			someEvent("update", "c", 13, 11, 1), someEvent("leave", "b", 14, 13, 0),
		}, nil},
		"an event after a later ack": {[]*event{someEvent("update", "b", 11, 7, 1)}, nil},
		"the same twice":             {[]*event{someEvent("update", "b", 11, 10, 1), someEvent("update", "b", 11, 10, 1)}, []complaint{duplicate}},
		"older than the ack":         {[]*event{someEvent("update", "b", 9, 8, 1)}, []complaint{duplicate}},
		"another's at the ack's seq": {[]*event{someEvent("update", "b", 10, 9, 1)}, []complaint{duplicate}},
		"a gap":                      {[]*event{someEvent("update", "b", 13, 12, 1)}, []complaint{gap}},
		"a prev that is too low":     {[]*event{someEvent("update", "b", 12, 10, 1), someEvent("update", "b", 13, 11, 1)}, []complaint{gap}},
		"a leave of nobody":          {[]*event{someEvent("leave", "x", 11, 10, 0)}, []complaint{duplicate}},
		"an update of nobody":        {[]*event{someEvent("update", "x", 11, 10, 1)}, []complaint{otherFault}},
		"a wrong count":              {[]*event{someEvent("join", "c", 11, 10, 2)}, []complaint{otherFault}},
	} {
		r := &recorder{}
		v := joinedView(r)
		for _, e := range c.events {
			v.arrive(e)
		}
		if !slices.Equal(r.kinds, c.want) {
			t.Errorf("%s: complaints %v, want %v", name, r.kinds, c.want)
		}
	}
}

func TestViewBeforeTheAck(t *testing.T) {
	r := &recorder{}
	v := newView("r", r)
	v.hold()
	v.arrive(someEvent("join", "c", 11, 10, 1))
	if !slices.Equal(r.kinds, []complaint{otherFault}) {
		t.Errorf("complaints %v", r.kinds)
	}
}

// A member that was seen leaving and joins again is for the truth to judge.
func TestViewReturn(t *testing.T) {
	r := &recorder{}
	v := joinedView(r)
	v.arrive(someEvent("leave", "b", 11, 10, 0))
	v.arrive(someEvent("join", "b", 12, 11, 1))
	v.arrive(someEvent("join", "a", 13, 12, 1))
	if !slices.Equal(r.again, []string{"a"}) {
		t.Errorf("again %v", r.again)
	}
	if len(r.kinds) > 0 || !slices.Equal(r.leaves, []string{"b"}) || !slices.Equal(r.returns, []string{"b"}) {
		t.Errorf("complaints %v, leaves %v, returns %v", r.kinds, r.leaves, r.returns)
	}
}

// A gap makes it sync; what is held back meanwhile is applied after the ack,
// and two views that took different ways hold the same.
func TestViewSyncs(t *testing.T) {
	r := &recorder{}
	v, other := joinedView(r), joinedView(&recorder{})
	v.arrive(someEvent("leave", "b", 13, 12, 0))
	if r.syncs != 1 {
		t.Fatalf("%d syncs", r.syncs)
	}
	v.hold()
	v.arrive(someEvent("update", "a", 14, 13, 1))
	c := someEvent("join", "c", 12, 11, 1)
	v.release(&answer{OK: true, Seq: 13, Snapshot: []entry{
		{ConnID: "a", UserID: "u-a", State: json.RawMessage(`{}`), Status: "online"},
		{ConnID: "c", UserID: "u-c", State: c.State, Status: "online"},
	}})
	for _, e := range []*event{someEvent("join", "x", 11, 10, 1), c, someEvent("leave", "b", 13, 12, 0), someEvent("update", "a", 14, 13, 1)} {
		other.arrive(e)
	}
	if v.digest == other.digest {
		t.Error("the same digest for different members")
	}
	other.arrive(someEvent("leave", "x", 15, 14, 0))
	if v.seq != 14 || v.digest != other.digest || len(v.members) != len(other.members) {
		t.Errorf("seq %d; %s", v.seq, difference(v.members, other.members))
	}
	v.release(&answer{OK: true, Seq: 14, Snapshot: []entry{}})
	if r.kinds[len(r.kinds)-1] != otherFault {
		t.Error("no complaint of a snapshot without its own member")
	}
}

func TestParseEvent(t *testing.T) {
	const good = `{"type":"join","roomId":"r","userId":"u","connId":"c","state":{},"ts":1,"epoch":1,"seq":2,"prev":1,"userConns":1,"status":"online"}`
	if e, err := parseEvent([]byte(`["presence:event",` + good + `]`)); err != nil || e.Seq != 2 || *e.Prev != 1 {
		t.Errorf("%v, %v", e, err)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(good), &fields); err != nil {
		t.Fatal(err)
	}
	for name := range fields {
		rest := make(map[string]any)
		for k, v := range fields {
			if k != name {
				rest[k] = v
			}
		}
		text, _ := json.Marshal([]any{"presence:event", rest})
		if _, err := parseEvent(text); err == nil {
			t.Errorf("accepted without %s", name)
		}
	}
}
