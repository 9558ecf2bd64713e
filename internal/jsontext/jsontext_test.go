package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

var seeds = []string{
	`[]`, `[ ]`, `["a"]`, ` [ "a" , 1 , { "b" : [ true , null ] } ] `,
	`["x",-0,1.5e+10,0.1,1E3,12345678901234567890]`, `["\u00e9\ud83d\ude00\\\"\/","é😀"]`,
	`[{"__proto__":1,"a":{},"b":[[],[[]]]},2,3,4,5,6,{"k":"v"}]`,
	`[`, `]`, `[1,]`, `[,1]`, `[1 2]`, `{"a":1}`, `["a"]x`, `["a`, `["\x"]`, `["\u12g4"]`, `["\u12`,
	`[01]`, `[1.]`, `[.5]`, `[-]`, `[1e]`, `[tru]`, `[nul`, `[{"a"}]`, `[{"a":}]`, `[{a:1}]`, `[{"a":1,}]`, `[[1}]`, `[{"a":1]]`,
	"[\"\x01\"]", "[\"\xff\"]", "[\"\xed\xa0\x80\"]", "[\xc3\xa9]", "\xef\xbb\xbf[]", "[1]\x00", "",
	`{}`, ` { "a" : 1 , "b\u0063":[ {"x":[]}, null ] ,"":"\ud83d\ude00" } `, `{"a":-0.1e+5}`, `{"a":"😀"}`, `{"a":[[]]}`,
	`{`, `{}x`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":{"b":[}}`, `{"a":"\`, `"`, `{"`, `{":`, `["\`, `{"a":1:2}`, `[1:2]`, `[1}`,
}

// shallow reports whether a text cannot be deeper than what is checked.
func shallow(b []byte) bool {
	return bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) < MaxDepth
}

func FuzzValid(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
		f.Add([]byte(strings.Trim(s, "[]")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := json.Valid(b) && utf8.Valid(b)
		if got := Valid(b); got != want && shallow(b) {
			t.Errorf("Valid(%q) = %v, want %v", b, got, want)
		}
		if !utf8.Valid(b) {
			return
		}
		var m map[string]json.RawMessage
		want = want && json.Unmarshal(b, &m) == nil && m != nil
		if got := IsObject(b); got != want && shallow(b) {
			t.Errorf("IsObject(%q) = %v, want %v", b, got, want)
		}
	})
}

func FuzzArray(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !utf8.Valid(b) {
			return
		}
		var want []json.RawMessage
		valid := json.Unmarshal(b, &want) == nil && want != nil
		x, ok := IndexArray(b)
		if valid != ok && shallow(b) {
			t.Fatalf("IndexArray(%q) = %v, want %v", b, ok, valid)
		}
		if !ok {
			return
		}
		if x.Len() != len(want) {
			t.Fatalf("IndexArray(%q) counts %d elements, want %d", b, x.Len(), len(want))
		}
		for i, s := range x.All(b) {
			if got := s.In(b); !bytes.Equal(got, want[i]) || i < KeptSpans && s != x.First(i) {
				t.Errorf("element %d of %q = %q, want %q", i, b, got, want[i])
			}
		}
		i := 0
		err := Elements(b, func(element []byte) error {
			if !bytes.Equal(element, want[i]) {
				t.Errorf("walked element %d of %q = %q, want %q", i, b, element, want[i])
			}
			i++
			return nil
		})
		if err != nil || i != len(want) {
			t.Errorf("walked %d elements of %q, %v; want %d", i, b, err, len(want))
		}
	})
}

// FuzzMembers holds the walk over an object against encoding/json. Text that was
// never checked does no harm.
func FuzzMembers(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Elements(b, func([]byte) error { return nil })
		got := make(map[string]json.RawMessage)
		err := Members(b, func(key, value []byte) error {
			_ = KeyIs(key, "a")
			_, _ = Int(value)
			_, _ = Unquote(value)
			s, _ := Unquote(key)
			got[string(s)] = value
			return nil
		})
		var want map[string]json.RawMessage
		if !utf8.Valid(b) || json.Unmarshal(b, &want) != nil || want == nil {
			return
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q has the members %q, %v; want %q", b, got, err, want)
		}
	})
}

func TestNestingIsBounded(t *testing.T) {
	nest := func(n int) []byte {
		return []byte(strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat("}]", n/2))
	}
	if !Valid(nest(MaxDepth)) {
		t.Errorf("%d levels are refused", MaxDepth)
	}
	if Valid(nest(MaxDepth + 2)) {
		t.Errorf("%d levels are taken", MaxDepth+2)
	}
}

func TestMembersInOrder(t *testing.T) {
	var got []string
	err := Members([]byte(` { "a" : 1 , "b\u0063":[ {"x":[]}, null ] ,"":"\ud83d\ude00" } `), func(k, v []byte) error {
		got = append(got, string(k)+"="+string(v))
		return nil
	})
	want := []string{`"a"=1`, `"b\u0063"=[ {"x":[]}, null ]`, `""="\ud83d\ude00"`}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestWalksStopAtAnError(t *testing.T) {
	stop := errors.New("stop")
	n := 0
	if err := Members([]byte(`{"a":1,"b":2}`), func(_, _ []byte) error { n++; return stop }); !errors.Is(err, stop) {
		t.Errorf("members: %v", err)
	}
	if err := Elements([]byte(`[1,2]`), func([]byte) error { n++; return stop }); !errors.Is(err, stop) {
		t.Errorf("elements: %v", err)
	}
	if n != 2 {
		t.Errorf("%d parts were walked, want 2", n)
	}
	for _, text := range []string{``, ` `, `1`, `null`, `"{}"`, `"[]"`} {
		if err := Members([]byte(text), func(_, _ []byte) error { return nil }); !errors.Is(err, ErrType) {
			t.Errorf("members of %q: %v", text, err)
		}
		if err := Elements([]byte(text), func([]byte) error { return nil }); !errors.Is(err, ErrType) {
			t.Errorf("elements of %q: %v", text, err)
		}
	}
}

func TestUnquote(t *testing.T) {
	for text, want := range map[string]string{
		`"plain"`: "plain", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u00e9\ud83d\ude00"`: "é😀", `""`: "", `"\u0061\n\"é"`: "a\n\"é",
	} {
		if got, ok := Unquote([]byte(text)); !ok || string(got) != want {
			t.Errorf("%s: got %q, %v", text, got, ok)
		}
	}
	for text, want := range map[string]string{
		`"\ud83d"`: "\ufffd", `"\ude00\ud83d"`: "\ufffd\ufffd", `"\ud83dx"`: "\ufffdx", `"\ud83d\u0041"`: "\ufffdA",
		`1`: "", `"`: "", ``: "", `null`: "",
	} {
		if got, ok := Unquote([]byte(text)); ok || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q and false", text, got, ok, want)
		}
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "7": 7, "-3": -3, "1e3": 1000, "2.0": 2, "9007199254740992": 1 << 53} {
		if got, ok := Int([]byte(text)); !ok || got != want {
			t.Errorf("%s: got %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"1.5", "1e400", "9007199254740994", `"1"`, "null", "0x10", "+1", "1_0", "", "Inf"} {
		if got, ok := Int([]byte(text)); ok {
			t.Errorf("%s: got %d", text, got)
		}
	}
}

func TestMerge(t *testing.T) {
	many := `{"k0":0`
	for i := range 40 {
		many += `,"m` + strconv.Itoa(i) + `":0`
	}
	for _, c := range []struct{ state, patch, remove, want string }{
		{`{}`, `{}`, ``, `{}`},
		{`{"a":1}`, `{"a":1}`, ``, `{"a":1}`},
		{`{"a":1,"b":[1]}`, `{"b":{"c":null},"d":1e400}`, ``, `{"a":1,"b":{"c":null},"d":1e400}`},
		{`{"a":1}`, `{"\u0061":2}`, ``, `{"a":2}`},
		{`{"a":1,"a":2}`, `{"a":3}`, ``, `{"a":1,"a":3}`},
		{`{}`, `{"__proto__":{"x":1},"a":1,"a":2}`, ``, `{"__proto__":{"x":1},"a":2}`},
		{`{ "a" : 1 }`, `{"a":1}`, ``, `{ "a" : 1 }`},
		{`{"a":1}`, `{"a":2,"a":1}`, ``, `{"a":1}`},
		{`{"a":[1,"x y"]}`, `{"a":[ 1, "x y" ]}`, ``, `{"a":[1,"x y"]}`},
		{`{"a":"x y"}`, `{"a":"x  y"}`, ``, `{"a":"x  y"}`},
		{`{"a":"\\"}`, `{"a":"\""}`, ``, `{"a":"\""}`},
		{many + `}`, `{"k0":9,"new":1,"new":2}`, ``, strings.Replace(many, `"k0":0`, `"k0":9`, 1) + `,"new":2}`},
		{`{"a":1,"b":2,"c":3}`, `{"c":4}`, `["a","none"]`, `{"b":2,"c":4}`},
		{`{"a":1,"b":2}`, `{"c":3,"a":9}`, `["c","a"]`, `{"b":2}`},
		{`{"b":2}`, `{"c":3}`, `["c"]`, `{"b":2}`},
		{`{"a":1,"a":2,"\u0061":3,"b":4}`, `{}`, `["a"]`, `{"b":4}`},
		{`{"a":1}`, ``, `[ "\u0061" ]`, `{}`},
		{`{"a":null,"__proto__":1}`, ``, `["__proto__"]`, `{"a":null}`},
		{`{"a":1}`, ``, `[]`, `{"a":1}`},
		{many + `,"k0":1,"last":2}`, `{"new":1}`, `["k0","new"]`, `{` + strings.TrimPrefix(many, `{"k0":0,`) + `,"last":2}`},
	} {
		var patch, remove []byte
		if c.patch != "" {
			patch = []byte(c.patch)
		}
		if c.remove != "" {
			remove = []byte(c.remove)
		}
		got, changed, err := Merge([]byte(c.state), patch, remove)
		if err != nil || string(got) != c.want || changed != (c.state != c.want) {
			t.Errorf("%s + %s - %s: got %s, %v, %v; want %s", c.state, c.patch, c.remove, got, changed, err, c.want)
		}
	}
	if _, _, err := Merge([]byte(`{}`), []byte(`[1]`), nil); !errors.Is(err, ErrType) {
		t.Errorf("a patch that is an array: %v", err)
	}
}

func TestScanningAllocatesNothing(t *testing.T) {
	data := []byte(`{"roomId":"room-1","epoch":12,"patchState":{"x":[1,2,{"y":"z"}]}}`)
	if n := testing.AllocsPerRun(100, func() {
		if !Valid(data) {
			t.Error("it is not valid")
		}
		_ = Members(data, func(k, v []byte) error {
			if KeyIs(k, "roomId") && IsNull(v) {
				t.Error("room is null")
			}
			return nil
		})
	}); n != 0 {
		t.Errorf("%v allocations for an object, want 0", n)
	}
}

// FuzzMerge compares with a merge of decoded maps.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"a":1}`), []byte(`{"a":2,"b":[null]}`))
	f.Add([]byte(`{"a":1,"\u0061":3}`), []byte(`{"a":2}`))
	f.Add([]byte(`{"a":1,"b":3}`), []byte(`{"b":2}`))
	f.Fuzz(func(t *testing.T, state, patch []byte) {
		merged, changed, err := Merge(state, patch, []byte(`["b"]`))
		if !Valid(state) || !Valid(patch) {
			return // it does no harm
		}
		var want, over, got map[string]json.RawMessage
		_ = json.Unmarshal(state, &want)
		_ = json.Unmarshal(patch, &over)
		if want == nil || over == nil {
			if !errors.Is(err, ErrType) {
				t.Errorf("%q + %q: %v, want ErrType", state, patch, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q + %q: %v", state, patch, err)
		}
		for _, m := range []map[string]json.RawMessage{want, over} {
			for k := range m {
				if strings.ContainsRune(k, utf8.RuneError) {
					return // encoding/json folds broken surrogates into one key
				}
			}
		}
		if err := json.Unmarshal(merged, &got); err != nil {
			t.Fatalf("merged %q: %v", merged, err)
		}
		for k, v := range over {
			want[k] = v
		}
		delete(want, "b")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q + %q = %q", state, patch, merged)
		}
		if !changed && &merged[0] != &state[0] {
			t.Error("not changed, yet another slice")
		}
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x01é😀\u2028")
	f.Add("<b>&amp;</b>")
	f.Add("bad\xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		quoted := AppendString([]byte("x"), s)[1:]
		back, ok := Unquote(quoted)
		if !ok || string(back) != strings.ToValidUTF8(s, "\ufffd") || !Valid(quoted) {
			t.Errorf("%q became %s, read back as %q, %v", s, quoted, back, ok)
		}
	})
}

// A string has no escape that it could do without.
func TestAppendStringEscapesLittle(t *testing.T) {
	for in, want := range map[string]string{
		"":             `""`,
		"<b>&amp;</b>": `"<b>&amp;</b>"`,
		"q\"\\\n\x01":  `"q\"\\\n\u0001"`,
		"é😀\u2028":     "\"é😀\u2028\"",
		"bad\xff\n":    "\"bad\ufffd\\n\"",
	} {
		if got := string(AppendString(nil, in)); got != want {
			t.Errorf("AppendString(%q) = %s, want %s", in, got, want)
		}
	}
}
