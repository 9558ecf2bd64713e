package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

var someRecords = []record{
	{Event: store.Event{
		Position: store.Position{Seq: 1 << 52, Born: "b"}, Prev: 1<<52 - 1, Intent: store.IntentJoin, AtMs: 1 << 41, UserConns: 1,
		Member: store.Member{
			ConnID: "c1", UserID: "u1", Owner: "n1", Epoch: 1, Write: 1, Seq: 1 << 52, JoinedMs: 1 << 41, State: []byte(`{"a":1}`),
		},
	}},
	{Event: store.Event{
		Position: store.Position{Seq: 3, Born: "c"}, Reset: true, Intent: store.IntentUpdate, AtMs: 1_999, UserConns: 12,
		Member: store.Member{
			ConnID: "c", UserID: "ü {}%:", Owner: "n-_", Epoch: 1<<53 - 1, Write: 2, Seq: 3, JoinedMs: 4, GraceMs: 5, UntilMs: 6,
			Lost: store.ReasonTimeout, Away: true, Token: store.Digest{1, 0xfe}, State: []byte("{\"\x00\n\t\"\n:\n1}"),
		},
	}},
	{Event: store.Event{
		Position: store.Position{Seq: 9, Born: "c"}, Prev: 8, Intent: store.IntentLeave, Reason: store.ReasonLeave, AtMs: 5,
		Member: store.Member{ConnID: "c", UserID: "u", Owner: "n", Epoch: 3},
	}, last: true},
	{Event: store.Event{Intent: store.IntentLeave}},
}

// wholeRecord writes what the scripts do.
func wholeRecord(dst []byte, r *record) []byte {
	m := r.Member
	dst = appendRecord(dst, &m, r.Intent)
	if r.Intent == store.IntentLeave {
		flags := ""
		if r.last {
			flags = "e"
		}
		dst = bytes.TrimSuffix(dst, []byte("\t\t\t\n"))
		dst = fmt.Appendf(dst, "\t%s\t%s\t\n", flags, r.Reason)
	}
	dst = append(append(dst, m.State...), '\n')
	dst = appendPosition(dst, r.Seq, r.Born)
	dst = fmt.Appendf(dst, "\t%d\t%d\t%d", r.AtMs/1000, r.AtMs%1000*1000, r.UserConns)
	if r.Reset || r.Prev != r.Seq-1 {
		dst = fmt.Appendf(dst, "\t%d", r.Prev)
	}
	if r.Reset {
		dst = append(dst, "\tr"...)
	}
	return dst
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range someRecords {
		got, err := parseRecord("", string(wholeRecord(nil, &r)))
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, r)
		}
	}
}

func TestMemberJoinedAtItsRecord(t *testing.T) {
	r := someRecords[0]
	r.Member.JoinedMs = 0
	m, err := parseMember("c1", string(wholeRecord(nil, &r)))
	if err != nil || m.JoinedMs != r.AtMs {
		t.Errorf("%v: joined %d, want %d", err, m.JoinedMs, r.AtMs)
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
	for _, s := range []string{"", "1", "2\t1\n", "1z", "2", "12\t"} {
		if _, err := parseMessage("r", s); !errors.Is(err, errVersion) || !strings.Contains(err.Error(), `"r"`) {
			t.Errorf("message %q: %v", s, err)
		}
		if _, err := parseMember("c", s); !errors.Is(err, errVersion) {
			t.Errorf("member %q: %v", s, err)
		}
	}
}

func TestWhatIsMalformedIsRefused(t *testing.T) {
	good := string(wholeRecord(nil, &someRecords[1]))
	left := string(wholeRecord(nil, &someRecords[2]))
	for _, s := range []string{
		"1\t", "1\t\n", strings.Replace(good, "\n", "\tmore\n", 1), strings.Replace(good, "\t2\t", "\n2\t", 1),
		strings.Replace(good, "\t2\t", "\t-2\t", 1), strings.Replace(good, "01fe", "01f", 1),
		strings.Replace(good, "\ta\t", "\tb\t", 1), strings.Replace(good, "\tr", "\tx", 1), good + "\tmore",
		strings.Replace(good, "999000", "1000000", 1), strings.Replace(good, "\tu\t", "\tuu\t", 1),
		strings.Replace(good, "\n3 c", "\n3c", 1), strings.Replace(good, "\n3 c", "\n-3 c", 1),
		strings.Replace(left, "\te\t", "\ta\t", 1), strings.Replace(left, "\n\n", "\n{}\n", 1),
	} {
		if r, err := parseRecord("", s); !errors.Is(err, errFields) {
			t.Errorf("%q: %+v %v", s, r, err)
		}
	}
	for conn, s := range map[string]string{"other": good, "c": left} {
		if m, err := parseMember(conn, s); !errors.Is(err, errFields) {
			t.Errorf("%q: %+v %v", s, m, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "9999999999999", 1: "0000000000000", 1001: "0000000000001", 1_712_345_678_901: "1712345677901", 1 << 50: "1125899906841624",
	} {
		if got := expiry(ms); got != want {
			t.Errorf("%d: %s, want %s", ms, got, want)
		}
	}
}

// What parses must come out the same when written and parsed again.
func FuzzParseRecord(f *testing.F) {
	for _, r := range someRecords {
		f.Add(string(wholeRecord(nil, &r)))
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRecord("", s)
		if err != nil {
			return
		}
		again, err := parseRecord("", string(wholeRecord(nil, &r)))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, again, r)
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	for _, r := range someRecords {
		f.Add(string(wholeRecord(nil, &r)))
	}
	f.Add(string(appendCast(nil, []byte("x"))))
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMessage("r", s)
		if err != nil {
			return
		}
		if m.event == nil && string(appendCast(nil, m.payload)) != s || m.event != nil && m.event.Room != "r" {
			t.Errorf("%q: %+v", s, m)
		}
	})
}

// What a script answers is not trusted blindly.
func FuzzParseAnswer(f *testing.F) {
	for _, r := range someRecords {
		f.Add(string(wholeRecord([]byte("f\t5 b\t1\t2\t3\n"), &r)))
	}
	f.Add("x\t0 \t1\t2\t0\n")
	f.Fuzz(func(t *testing.T, s string) {
		var a answer
		err := a.read("r", s)
		if err == nil && (a.outcome == 0 || a.Seq < 0 || a.AtMs < 0) {
			t.Errorf("%q: %+v", s, a)
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
