package wire

import (
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

func TestAnswers(t *testing.T) {
	ann := &store.Member{ConnID: "c", UserID: `a"n`, State: []byte(`{"n":1}`), JoinedMs: 5, Epoch: 2, Away: true}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"join", AppendJoinAck(nil, &JoinAck{ConnID: "c", Epoch: 1}, 7), `{"ok":true,"self":{"connId":"c","epoch":1},"seq":7,"resumed":false,"snapshot":`},
		{
			"resume", AppendJoinAck(nil, &JoinAck{ConnID: "c", Epoch: 2, GraceMs: 9, Token: "c.t", Resumed: true, Sender: true}, 7),
			`{"ok":true,"self":{"connId":"c","epoch":2,"graceMs":9,"resume":"c.t"},"seq":7,"resumed":true,"sender":true,"snapshot":`,
		},
		{"sync", AppendSyncAck(nil, 7), `{"ok":true,"seq":7,"snapshot":`},
		{"sync of a client that missed nothing", AppendUnchanged(nil, 7), `{"ok":true,"seq":7,"unchanged":true}`},
		{"member", AppendMember(nil, ann, 6), `{"connId":"c","userId":"a\"n","state":{"n":1},"lastSeenMs":6,"joinedMs":5,"epoch":2,"status":"away"}`},
	} {
		want(t, c.name, string(c.got), c.want)
	}
}

// The size of a snapshot is estimated with MemberOverhead before it is made.
func TestMemberOverhead(t *testing.T) {
	const most = -1 << 63 // the longest of all numbers
	m := &store.Member{State: []byte(`{}`), JoinedMs: most, Epoch: most}
	if n := len(AppendMember(nil, m, most)) - len(m.State); n > MemberOverhead {
		t.Errorf("a member takes %d bytes apart from ids and state, more than %d", n, MemberOverhead)
	}
}

func TestEmitText(t *testing.T) {
	for args, wanted := range map[string]string{
		"": `["e"]`, `[]`: `["e"]`, `[ ]`: `["e"]`, `[1]`: `["e",1]`, `[[],{}]`: `["e",[],{}]`, `[ "]" ]`: `["e", "]" ]`,
	} {
		p := &Emit{Event: "e"}
		if args != "" {
			p.Args = []byte(args)
		}
		want(t, args, string(p.Text()), wanted)
	}
}
