package rawjson

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestObjectReadsMembersInOrder(t *testing.T) {
	var got []string
	err := Object([]byte(` { "a" : 1 , "b\u0063":[ {"x":[]}, null ] ,"":"\ud83d\ude00" } `), func(k, v []byte) error {
		got = append(got, string(k)+"="+string(v))
		return nil
	})
	want := []string{`"a"=1`, `"b\u0063"=[ {"x":[]}, null ]`, `""="\ud83d\ude00"`}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestObjectRefuses(t *testing.T) {
	for text, want := range map[string]error{
		``:                 ErrType,
		`[]`:               ErrType,
		`"{}"`:             ErrType,
		`{`:                ErrSyntax,
		`{}x`:              ErrSyntax,
		`{"a"}`:            ErrSyntax,
		`{"a":}`:           ErrSyntax,
		`{"a":1,}`:         ErrSyntax,
		`{"a":1 "b":2}`:    ErrSyntax,
		`{"a":01}`:         ErrSyntax,
		`{"a":1.}`:         ErrSyntax,
		`{"a":[1}`:         ErrSyntax,
		`{"a":{"b":[}}`:    ErrSyntax,
		`{"a":nul}`:        ErrSyntax,
		"{\"a\":\"\n\"}":   ErrSyntax,
		"{\"a\":\"\xff\"}": ErrUTF8,
		`{"a":"\x"}`:       ErrSyntax,
		`{"a":"\u12g4"}`:   ErrSyntax,
		`{"a":` + strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1) + `}`: ErrDepth,
	} {
		if err := Object([]byte(text), func(_, _ []byte) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%.40q: got %v, want %v", text, err, want)
		}
	}
}

func TestString(t *testing.T) {
	for text, want := range map[string]string{
		`"plain"`: "plain", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u00e9\ud83d\ude00"`: "é😀", `""`: "",
	} {
		if got, err := String([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %q, %v", text, got, err)
		}
	}
	for _, text := range []string{`"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`} {
		if _, err := String([]byte(text)); !errors.Is(err, ErrUTF8) {
			t.Errorf("%s: got %v, want ErrUTF8", text, err)
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

func TestArrayReadsElementsInOrder(t *testing.T) {
	var got []string
	err := Array([]byte(` [ 1 ,"a", [ {} ] ] `), func(v []byte) error {
		got = append(got, string(v))
		return nil
	})
	if want := []string{`1`, `"a"`, `[ {} ]`}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for text, want := range map[string]error{
		``: ErrType, `{}`: ErrType, `[`: ErrSyntax, `[1,]`: ErrSyntax, `[1 2]`: ErrSyntax, `[]x`: ErrSyntax, `[[}]`: ErrSyntax,
	} {
		if err := Array([]byte(text), func([]byte) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

func TestScanningAllocatesNothing(t *testing.T) {
	data := []byte(`{"roomId":"room-1","epoch":12,"patchState":{"x":[1,2,{"y":"z"}]}}`)
	if n := testing.AllocsPerRun(100, func() {
		_ = Object(data, func(k, v []byte) error {
			if KeyIs(k, "roomId") && IsNull(v) {
				t.Error("room is null")
			}
			return nil
		})
	}); n != 0 {
		t.Errorf("%v allocations for an object, want 0", n)
	}
}

// FuzzObject holds the scanner against encoding/json: what it accepts is valid
// JSON, and what is valid JSON within the limits it accepts.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"b":[true,{"c":"\u00e9"}]}`, `{"a":-0.1e+5}`, `{"a":"😀"}`, `{"a":[[]]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := Object(data, func(k, v []byte) error {
			if !json.Valid(k) || !json.Valid(v) {
				t.Errorf("invalid part: %q %q", k, v)
			}
			return nil
		})
		if err == nil && !json.Valid(data) {
			t.Errorf("accepted %q", data)
		}
		var m map[string]json.RawMessage
		if err != nil && utf8.Valid(data) && !errors.Is(err, ErrDepth) && json.Unmarshal(data, &m) == nil && m != nil {
			t.Errorf("refused %q: %v", data, err)
		}
	})
}

// FuzzMerge compares with a merge of decoded maps.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"a":1}`), []byte(`{"a":2,"b":[null]}`))
	f.Add([]byte(`{"a":1,"\u0061":3}`), []byte(`{"a":2}`))
	f.Add([]byte(`{"a":1,"b":3}`), []byte(`{"b":2}`))
	f.Fuzz(func(t *testing.T, state, patch []byte) {
		merged, changed, err := Merge(state, patch, []byte(`["b"]`))
		if err != nil {
			return
		}
		var want, over, got map[string]json.RawMessage
		if json.Unmarshal(state, &want) != nil || json.Unmarshal(patch, &over) != nil {
			return // deeper than encoding/json goes
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
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		quoted := AppendString(nil, s)
		back, err := String(quoted)
		if err != nil || back != s || !json.Valid(quoted) {
			t.Errorf("%q became %s, read back as %q, %v", s, quoted, back, err)
		}
	})
}
