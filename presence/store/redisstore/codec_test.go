package redisstore

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

var someMembers = []store.Member{
	{},
	{ConnID: "c1", UserID: "u1", Owner: "n1", Epoch: 1, Write: 1, Seq: 1 << 52, JoinedMs: 1 << 41, State: []byte(`{"a":1}`)},
	{
		ConnID: "c", UserID: "ü {}%:", Owner: "n-_", Epoch: 1<<53 - 1, Write: 2, Seq: 3, JoinedMs: 4, GraceMs: 5, UntilMs: 6,
		Lost: store.ReasonTimeout, Away: true, Token: store.Digest{1, 0xfe}, State: []byte("{\"\x00\n\t\"\n:\n1}"),
	},
}

var someEvents = []store.Event{
	{Room: "r", Position: store.Position{Seq: 7, Born: "b"}, Prev: 6, Intent: store.IntentJoin, AtMs: 5, UserConns: 1, Member: someMembers[1]},
	{Room: "r", Position: store.Position{Seq: 7, Born: "b"}, Reset: true, Intent: store.IntentUpdate, Member: someMembers[2]},
	{
		Room: "r", Position: store.Position{Seq: 9, Born: "c"}, Prev: 8, Intent: store.IntentLeave, Reason: store.ReasonLeave,
		Member: store.Member{ConnID: "c", UserID: "u", Owner: "n", Epoch: 3},
	},
}

func TestMemberRoundTrip(t *testing.T) {
	for _, m := range someMembers {
		got, err := parseMember(m.ConnID, string(appendMember(nil, &m)))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, m)
		}
	}
}

func TestEventRoundTrip(t *testing.T) {
	for _, e := range someEvents {
		got, err := parseMessage(e.Room, string(appendEvent(nil, &e)))
		if err != nil || got.event == nil || !reflect.DeepEqual(*got.event, e) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got.event, e)
		}
	}
}

func TestCastRoundTrip(t *testing.T) {
	for _, p := range []string{"", "x", "\x00\n\xff"} {
		got, err := parseMessage("r", string(appendCast(nil, []byte(p))))
		if err != nil || got.event != nil || string(got.payload) != p {
			t.Errorf("%q: %+v %v", p, got, err)
		}
	}
}

func TestWhatIsNewerIsRefused(t *testing.T) {
	for _, s := range []string{"", "1", "2e1\n", "1z", "2"} {
		if _, err := parseMessage("r", s); !errors.Is(err, errVersion) || !strings.Contains(err.Error(), `"r"`) {
			t.Errorf("message %q: %v", s, err)
		}
	}
	for _, s := range []string{"", "2\n", "21\t1"} {
		if _, err := parseMember("c", s); !errors.Is(err, errVersion) {
			t.Errorf("member %q: %v", s, err)
		}
	}
}

func TestWhatIsMalformedIsRefused(t *testing.T) {
	good := string(appendMember(nil, &someMembers[2]))
	for _, s := range []string{
		"1", "1\n", strings.Replace(good, "\n", "\tmore\n", 1), strings.Replace(good, "\t", "\n", 1),
		strings.Replace(good, "3\t", "-3\t", 1), strings.Replace(good, "01fe", "01f", 1), strings.Replace(good, "\ta\t", "\tb\t", 1),
	} {
		if m, err := parseMember("c", s); !errors.Is(err, errFields) {
			t.Errorf("%q: %+v %v", s, m, err)
		}
	}
}

// What parses must come out the same when written and parsed again.
func FuzzParseMember(f *testing.F) {
	for _, m := range someMembers {
		f.Add(string(appendMember(nil, &m)))
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMember("c", s)
		if err != nil {
			return
		}
		again, err := parseMember("c", string(appendMember(nil, &m)))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, again, m)
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	for _, e := range someEvents {
		f.Add(string(appendEvent(nil, &e)))
	}
	f.Add(string(appendCast(nil, []byte("x"))))
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMessage("r", s)
		if err != nil {
			return
		}
		text := appendCast(nil, m.payload)
		if m.event != nil {
			text = appendEvent(nil, m.event)
		}
		again, err := parseMessage("r", string(text))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, again, m)
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", "{a}", "%", "%7B", "%257D", "}{%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		e := escape(id)
		if strings.ContainsAny(e, "{}") {
			t.Errorf("%q escapes to %q", id, e)
		}
		if got := unescape(e); got != id {
			t.Errorf("%q comes back as %q", id, got)
		}
	})
}
