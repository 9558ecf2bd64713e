package socketio

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

var jsonSeeds = []string{
	`[]`, `[ ]`, `["a"]`, ` [ "a" , 1 , { "b" : [ true , null ] } ] `,
	`["x",-0,1.5e+10,0.1,1E3,12345678901234567890]`, `["\u00e9\ud83d\ude00\\\"\/","é😀"]`,
	`[{"__proto__":1,"a":{},"b":[[],[[]]]},2,3,4,5,6,{"k":"v"}]`,
	`[`, `]`, `[1,]`, `[,1]`, `[1 2]`, `{"a":1}`, `["a"]x`, `["a`, `["\x"]`, `["\u12g4"]`, `["\u12`,
	`[01]`, `[1.]`, `[.5]`, `[-]`, `[1e]`, `[tru]`, `[nul`, `[{"a"}]`, `[{"a":}]`, `[{a:1}]`, `[{"a":1,}]`, `[[1}]`, `[{"a":1]]`,
	"[\"\x01\"]", "[\"\xff\"]", "[\"\xed\xa0\x80\"]", "[\xc3\xa9]", "\xef\xbb\xbf[]", "[1]\x00", "",
}

func FuzzArray(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want []json.RawMessage
		valid := json.Unmarshal(b, &want) == nil && want != nil && utf8.Valid(b)
		idx, ok := indexArray(b)
		if valid != ok && bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) < maxDepth {
			t.Fatalf("indexArray(%q) = %v, want %v", b, ok, valid)
		}
		if !ok {
			return
		}
		if idx.n != len(want) {
			t.Fatalf("indexArray(%q) counts %d elements, want %d", b, idx.n, len(want))
		}
		for i, s := range idx.all(b) {
			if got := s.in(b); !bytes.Equal(got, want[i]) {
				t.Errorf("element %d of %q = %q, want %q", i, b, got, want[i])
			}
		}
	})
}

func FuzzJSONValue(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
		f.Add([]byte(strings.Trim(s, "[]")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := json.Valid(b) && utf8.Valid(b)
		if got := validJSON(b); got != want && bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) < maxDepth {
			t.Errorf("validJSON(%q) = %v, want %v", b, got, want)
		}
	})
}

func TestNestingIsBounded(t *testing.T) {
	nest := func(n int) []byte {
		return []byte(strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat("}]", n/2))
	}
	if !validJSON(nest(maxDepth)) {
		t.Errorf("%d levels are refused", maxDepth)
	}
	if validJSON(nest(maxDepth + 2)) {
		t.Errorf("%d levels are taken", maxDepth+2)
	}
}

func TestUnquote(t *testing.T) {
	for in, want := range map[string]string{
		`""`: "", `"plain"`: "plain", `"\u0061\n\"é"`: "a\n\"é", `"\ud83d\ude00"`: "😀",
	} {
		if got := unquote([]byte(in)); string(got) != want {
			t.Errorf("unquote(%s) = %q, want %q", in, got, want)
		}
	}
}

func TestStringsAreNotEscapedForHTML(t *testing.T) {
	for in, want := range map[string]string{
		"<b>&amp;</b>": `"<b>&amp;</b>"`,
		"q\"\\\n":      `"q\"\\\n"`,
		"é😀":           `"é😀"`,
		"bad\xff":      `"bad` + "\ufffd" + `"`,
	} {
		if got := string(appendString(nil, in)); got != want && !strings.Contains(got, `\ufffd`) {
			t.Errorf("appendString(%q) = %s, want %s", in, got, want)
		}
		got, err := marshalJSON(map[string]string{"k": in})
		if err != nil || !validJSON(got) || bytes.Contains(got, []byte(`\u003c`)) {
			t.Errorf("marshalJSON(%q) = %s, %v", in, got, err)
		}
	}
}
