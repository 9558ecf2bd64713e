package jsontext

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":%d`, i, i)
	}
	crowd := "{" + strings.Join(many, ",") + "}"
	for _, c := range []struct{ base, next, patch, removed string }{
		{`{}`, `{}`, `{}`, ``},
		{`{"a":1}`, `{"a": 1 }`, `{}`, ``},
		{`{"a":1,"b":2}`, `{"b":2,"a":3}`, `{"a":3}`, ``},
		{`{"a":1,"b":2,"c":3}`, `{"b":2}`, `{}`, `["a","c"]`},
		{`{}`, `{"a":null}`, `{"a":null}`, ``},
		{`{"a":null}`, `{}`, `{}`, `["a"]`},
		{`{"a":1,"a":2}`, `{"a":1}`, `{"a":1}`, ``},
		{`{"a":1}`, `{"a":2,"a":1}`, `{}`, ``},
		{`{"\u0061":1}`, `{"a":1}`, `{}`, ``},
		{`{"__proto__":1}`, `{"__proto__":{"x":[1, 2]}}`, `{"__proto__":{"x":[1, 2]}}`, ``},
		{crowd, strings.Replace(crowd, `"k7":7`, `"k7":8`, 1), `{"k7":8}`, ``},
		{crowd, `{}`, `{}`, `[` + strings.ReplaceAll(keysOf(many), " ", ",") + `]`},
	} {
		p, r, err := Diff(nil, nil, []byte(c.base), []byte(c.next))
		if string(p) != c.patch || string(r) != c.removed || err != nil {
			t.Errorf("from %s to %s: %s, %s, %v, want %s, %s", c.base, c.next, p, r, err, c.patch, c.removed)
		}
	}
	for _, c := range [][2]string{{`[]`, `{}`}, {`{}`, `1`}} {
		if _, _, err := Diff(nil, nil, []byte(c[0]), []byte(c[1])); err == nil {
			t.Errorf("from %s to %s: no error", c[0], c[1])
		}
	}
}

// keysOf is the keys of members, with spaces between them.
func keysOf(members []string) string {
	keys := make([]string, len(members))
	for i, m := range members {
		keys[i], _, _ = strings.Cut(m, ":")
	}
	return strings.Join(keys, " ")
}

// What Diff found, merged into the base, is what it was to lead to.
func FuzzDiff(f *testing.F) {
	f.Add(`{"a":1,"b":[]}`, `{"b":[1],"c":null}`)
	f.Add(`{"a":1,"\u0061":2}`, `{"a":{}}`)
	f.Fuzz(func(t *testing.T, base, next string) {
		if !IsObject([]byte(base)) || !IsObject([]byte(next)) || !json.Valid([]byte(base)) || !json.Valid([]byte(next)) {
			return
		}
		p, r, err := Diff(nil, nil, []byte(base), []byte(next))
		if err != nil {
			t.Fatal(err)
		}
		merged, _, err := Merge([]byte(base), p, r)
		if err != nil {
			t.Fatalf("%s and %s: %v", p, r, err)
		}
		var got, want map[string]json.RawMessage
		if json.Unmarshal(merged, &got) != nil || json.Unmarshal([]byte(next), &want) != nil {
			return // halves of surrogate pairs
		}
		for _, m := range []map[string]json.RawMessage{got, want} {
			for k, v := range m {
				var x any
				if json.Unmarshal(v, &x) == nil {
					m[k], _ = json.Marshal(x)
				}
			}
		}
		if !reflect.DeepEqual(got, want) && !strings.Contains(base+next, `\u`) {
			t.Errorf("from %q to %q: %s and %s lead to %s", base, next, p, r, merged)
		}
	})
}
