package record

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

var someRecords = []store.Event{
	{
		Position: store.Position{Seq: 1 << 52, Born: "b"}, Prev: 1<<52 - 1, Intent: store.IntentJoin, AtMs: 1 << 41, UserConns: 1,
		Member: store.Member{
			ConnID: "c1", UserID: "u1", Owner: "n1", Epoch: 1, Write: 1, Seq: 1 << 52, Life: "l-_1", JoinedMs: 1 << 41, State: []byte(`{"a":1}`),
		},
	},
	{
		Position: store.Position{Seq: 3, Born: "c"}, Reset: true, Intent: store.IntentUpdate, AtMs: 1_999, UserConns: 12,
		Member: store.Member{
			ConnID: "c", UserID: "ü {}%:", Owner: "n-_", Epoch: 1<<53 - 1, Write: 2, Seq: 3, JoinedMs: 4, GraceMs: 5, UntilMs: 6,
			Lost: store.ReasonTimeout, Away: true, Token: store.Digest{1, 0xfe}, State: []byte("{\"\x00\n\t\"\n:\n1}"),
		},
	},
	{
		Position: store.Position{Seq: 9, Born: "c"}, Prev: 8, Intent: store.IntentLeave, Reason: store.ReasonLeave, AtMs: 5,
		Member: store.Member{ConnID: "c", UserID: "u", Owner: "n", Epoch: 3, Life: "l", JoinedMs: 4},
	},
	{Intent: store.IntentLeave},
	{
		Position: store.Position{Seq: 4, Born: "d"}, Prev: 3, Intent: store.IntentJoin,
		Member: store.Member{ConnID: "c", Seq: 4, Epoch: 1, Life: "l", JoinedMs: 7, Newer: "12\tmore\t\tand more", State: []byte("{}")},
	},
	{
		Position: store.Position{Seq: 4, Born: "d"}, Prev: 3, Intent: store.IntentJoin,
		Member: store.Member{ConnID: "c", Seq: 4, JoinedMs: 7, Newer: "2", State: []byte("{}")},
	},
}

// wholeRecord writes what the scripts do.
func wholeRecord(dst []byte, e *store.Event) []byte {
	m := e.Member
	if e.Intent == store.IntentLeave {
		m.Lost = e.Reason
	}
	dst = AppendRecord(dst, &m, m.Newer, e.Intent)
	dst = append(append(dst, m.State...), '\n')
	dst = appendPosition(dst, e.Seq, e.Born)
	dst = fmt.Appendf(dst, "\t%d\t%d\t%d", e.AtMs/1000, e.AtMs%1000*1000, e.UserConns)
	if e.Reset || e.Prev != e.Seq-1 {
		dst = fmt.Appendf(dst, "\t%d", e.Prev)
	}
	if e.Reset {
		dst = append(dst, "\tr"...)
	}
	return dst
}

func TestRecordRoundTrip(t *testing.T) {
	for _, e := range someRecords {
		got, err := parseRecord("", string(wholeRecord(nil, &e)))
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, e)
		}
	}
}

// The form is what other nodes, and those of the next version, rely on.
func TestRecordIsWrittenAsDocumented(t *testing.T) {
	e := someRecords[1]
	e.Member.Life = "life"
	const want = "1\t9007199254740991\t2\tn-_\tü {}%:\tc\tu\t4\t5\t6\ta\ttimeout\t01fe0000000000000000000000000000\tlife\n" +
		"{\"\x00\n\t\"\n:\n1}\n3 c\t1\t999000\t12\t0\tr"
	if got := string(wholeRecord(nil, &e)); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestMemberJoinedAtItsRecord(t *testing.T) {
	e := someRecords[0]
	e.Member.JoinedMs = 0
	m, err := ParseMember("c1", string(wholeRecord(nil, &e)))
	if err != nil || m.JoinedMs != e.AtMs {
		t.Errorf("%v: joined %d, want %d", err, m.JoinedMs, e.AtMs)
	}
}

func TestCastRoundTrip(t *testing.T) {
	for _, p := range []string{"", "x", "\x00\n\xff"} {
		for _, newer := range []string{"", "2", "3\tmore"} {
			got, err := ParseMessage("r", CastText(newer, []byte(p)))
			if err != nil || got.Event != nil || string(got.Payload) != p {
				t.Errorf("%q: %+v %v", p, got, err)
			}
		}
	}
}

// What a later version wrote is read as far as it is known.
func TestWhatIsNewerIsRead(t *testing.T) {
	e := someRecords[0]
	text := string(wholeRecord(nil, &e))
	newer := strings.Replace(text, "1\t", "2\t", 1)
	newer = strings.Replace(newer, "\n", "\tmore\tfields\n", 1) + "\t5\t\tmore"
	newer = strings.Replace(newer, "\tj\t", "\t?\t", 1)
	want := e
	want.Intent, want.Prev, want.Member.Newer = store.IntentRestore, 5, "2\tmore\tfields"
	got, err := parseRecord("", newer)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
}

func TestWhatIsMalformedIsRefused(t *testing.T) {
	good := string(wholeRecord(nil, &someRecords[1]))
	left := string(wholeRecord(nil, &someRecords[2]))
	for _, s := range []string{
		"", "1", "1z", "1\t", "1\t\n", "1\t\n\n", "0" + good[1:], "x" + good[1:], good[1:], strings.Replace(good, "\t2\t", "\n2\t", 1),
		strings.Replace(good, "\t2\t", "\t-2\t", 1), strings.Replace(good, "01fe", "01f", 1), strings.Replace(good, "\tu\t", "\tuu\t", 1),
		strings.Replace(good, "999000", "1000000", 1),
		strings.Replace(good, "\n3 c", "\n3c", 1), strings.Replace(good, "\n3 c", "\n-3 c", 1),
	} {
		if e, err := parseRecord("", s); !errors.Is(err, ErrFields) {
			t.Errorf("%q: %+v %v", s, e, err)
		}
		if _, err := ParseMessage("r", s); !errors.Is(err, ErrFields) || !strings.Contains(err.Error(), `"r"`) {
			t.Errorf("message %q: %v", s, err)
		}
	}
	if _, err := ParseMessage("r", "1\tc\tcut short"); !errors.Is(err, ErrFields) {
		t.Errorf("cast: %v", err)
	}
	for conn, s := range map[string]string{"other": good, "c": left} {
		if m, err := ParseMember(conn, s); !errors.Is(err, ErrFields) {
			t.Errorf("%q: %+v %v", s, m, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "9999999999999", 1: "0000000000000", 1001: "0000000000001", 1_712_345_678_901: "1712345677901", 1 << 50: "1125899906841624",
	} {
		if got := Expiry(ms); got != want {
			t.Errorf("%d: %s, want %s", ms, got, want)
		}
	}
}

// What parses must come out the same when written and parsed again.
func FuzzParseRecord(f *testing.F) {
	for _, e := range someRecords {
		f.Add(string(wholeRecord(nil, &e)))
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := parseRecord("", s)
		if err != nil {
			return
		}
		again, err := parseRecord("", string(wholeRecord(nil, &e)))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, again, e)
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	for _, r := range someRecords {
		f.Add(string(wholeRecord(nil, &r)))
	}
	f.Add(CastText("", []byte("x")))
	f.Add(CastText("2\tmore", []byte("x\n")))
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMessage("r", s)
		if err != nil {
			return
		}
		if m.Event == nil && !strings.HasSuffix(s, "\n"+string(m.Payload)) || m.Event != nil && m.Event.Room != "r" {
			t.Errorf("%q: %+v", s, m)
		}
	})
}

// What a script answers is not trusted blindly.
func FuzzParseAnswer(f *testing.F) {
	for _, r := range someRecords {
		f.Add(string(wholeRecord([]byte("f\t5 b\n"), &r)))
	}
	f.Add("+5 b\t1\t2\t3")
	f.Add("m\t0 \n")
	f.Add("x")
	f.Fuzz(func(t *testing.T, s string) {
		var res store.PutResult
		err := ReadPut(&store.Put{Room: "r"}, s, &res)
		if err == nil && (res.Outcome == 0 || res.Seq < 0) {
			t.Errorf("%q: %+v", s, res)
		}
	})
}

// unescape is the inverse of escape.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	return strings.NewReplacer("%25", "%", "%7B", "{", "%7D", "}").Replace(s)
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
