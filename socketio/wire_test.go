package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParsePacket(t *testing.T) {
	for _, tc := range []struct {
		in          string
		typ         packetType
		namespace   string
		id          uint64
		hasID       bool
		attachments int
		event       string
		payload     string
	}{
		{in: `0`, typ: typeConnect},
		{in: `0{"token":"123"}`, typ: typeConnect, payload: `{"token":"123"}`},
		{in: `0/custom`, typ: typeConnect, namespace: "/custom"},
		{in: `0/custom,`, typ: typeConnect, namespace: "/custom"},
		{in: `0/custom,{"a":1}`, typ: typeConnect, namespace: "/custom", payload: `{"a":1}`},
		{in: `0/,{}`, typ: typeConnect, payload: `{}`},
		{in: `1`, typ: typeDisconnect},
		{in: `1/custom,`, typ: typeDisconnect, namespace: "/custom"},
		{in: `2["a"]`, typ: typeEvent, event: "a", payload: `["a"]`},
		{in: `2["\u0061b",1]`, typ: typeEvent, event: "ab", payload: `["\u0061b",1]`},
		{in: `2[7,1]`, typ: typeEvent, event: "7", payload: `[7,1]`},
		{in: `2456["a"]`, typ: typeEvent, id: 456, hasID: true, event: "a", payload: `["a"]`},
		{in: `2/x,0["a",{}]`, typ: typeEvent, namespace: "/x", hasID: true, event: "a", payload: `["a",{}]`},
		{in: `312[]`, typ: typeAck, id: 12, hasID: true, payload: `[]`},
		{in: `3/x,999999999999999999[1]`, typ: typeAck, namespace: "/x", id: 999999999999999999, hasID: true, payload: `[1]`},
		{in: `51-["a",{"_placeholder":true,"num":0}]`, typ: typeBinaryEvent, attachments: 1, event: "a",
			payload: `["a",{"_placeholder":true,"num":0}]`},
		{in: `50-["a"]`, typ: typeBinaryEvent, event: "a", payload: `["a"]`},
		{in: `61-/x,3[{"_placeholder":true,"num":0}]`, typ: typeBinaryAck, namespace: "/x", id: 3, hasID: true,
			attachments: 1, payload: `[{"_placeholder":true,"num":0}]`},
	} {
		p, err := parsePacket([]byte(tc.in))
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if p.typ != tc.typ || string(p.namespace) != tc.namespace || p.id != tc.id || p.hasID != tc.hasID ||
			p.attachments != tc.attachments || string(p.event) != tc.event || string(p.payload) != tc.payload {
			t.Errorf("%s: parsed as %+v", tc.in, p)
		}
	}
}

var malformedPackets = []string{
	``, `a`, `7`, `abc`, `-1`,
	`0[]`, `0null`, `0"x"`, `0{`, `0{}x`,
	`1x`, `1{}`, `1["a"]`,
	`2`, `2{}`, `2[]`, `2[`, `2["a"`, `2["a"]x`, `2[null]`, `2[{}]`, `2[true]`, `2abc["a"]`, `2-1["a"]`, `2/x`, `2/x,`,
	`21234567890123456789["a"]`,
	`2["connect"]`, `2["connect_error"]`, `2["disconnect"]`, `2["disconnecting"]`, `2["newListener"]`,
	`2["removeListener"]`, `2["\u0063onnect"]`,
	"2[\"a\",\"\x01\"]",
	`3`, `3[]`, `31`, `31{}`,
	`4`, `4{"message":"x"}`, `4"x"`,
	`5`, `51`, `5-["a"]`, `51["a"]`, `5x-["a"]`, `51.5-["a"]`, `51234567890-["a"]`,
	`51-["a",{"_placeholder":true,"num":1}]`, `51-["a",{"_placeholder":true,"num":-1}]`,
	`51-["a",{"_placeholder":true}]`, `51-["a",{"_placeholder":true,"num":"0"}]`, `51-["a",{"_placeholder":true,"num":0.5}]`,
	`51-["a",{"x":[{"num":9,"_placehol\u0064er":true}]}]`, `50-["a",{"_placeholder":true,"num":0}]`,
	`51-["a",{"_placeholder":false,"_placeholder":true,"num":5}]`,
	`6`, `61-[]`, `61-1`,
}

func TestMalformedPackets(t *testing.T) {
	for _, in := range malformedPackets {
		if p, err := parsePacket([]byte(in)); !errors.Is(err, errPacket) {
			t.Errorf("%q: parsed as %+v, error %v", in, p, err)
		}
	}
}

func TestPlaceholdersThatAreNone(t *testing.T) {
	for _, in := range []string{
		`51-["a",{"_placeholder":1,"num":7}]`,
		`51-["a",{"_placeholder":true,"_placeholder":false,"num":7}]`,
		`51-["a",{"x":{"_placeholder":"true","num":7}},"_placeholder"]`,
		`51-[ "a" , [ { } , [ ] , { "_placeholder" : true , "num" : 0 } ] ]`,
	} {
		if _, err := parsePacket([]byte(in)); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// FuzzPacket: whatever parses can be put together again from its parts, and
// then parses to the same parts.
func FuzzPacket(f *testing.F) {
	for _, p := range malformedPackets {
		f.Add([]byte(p))
	}
	for _, body := range hostile {
		for packet := range strings.SplitSeq(body, "\x1e") {
			f.Add([]byte(strings.TrimPrefix(packet, "4")))
		}
	}
	args := []json.RawMessage{[]byte(`{"a":[1]}`), []byte(`"é"`), appendPlaceholder(nil, 0)}
	for _, ns := range []string{"/", "/custom"} {
		payload, err := eventPayload("event", args)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(appendHeader(nil, typeEvent, 0, ns), payload...))
		f.Add(append(append(appendHeader(nil, typeEvent, 0, ns), "12"...), payload...))
		f.Add(append(appendHeader(nil, typeBinaryEvent, 1, ns), payload...))
		f.Add(append(append(appendHeader(nil, typeAck, 0, ns), "7"...), payload...))
		f.Add(append(appendHeader(nil, typeConnect, 0, ns), `{"token":1}`...))
		f.Add(appendHeader(nil, typeDisconnect, 0, ns))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePacket(b)
		if err != nil {
			return
		}
		again, err := parsePacket(reencode(&p))
		if err != nil {
			t.Fatalf("%q does not parse again: %v", reencode(&p), err)
		}
		if again.typ != p.typ || again.id != p.id || again.hasID != p.hasID || again.attachments != p.attachments ||
			string(again.namespace) != string(p.namespace) || string(again.payload) != string(p.payload) ||
			string(again.event) != string(p.event) || again.index != p.index {
			t.Errorf("%q: %+v became %+v", b, p, again)
		}
	})
}

func reencode(p *wirePacket) []byte {
	ns := "/"
	if p.namespace != nil {
		ns = string(p.namespace)
	}
	b := appendHeader(nil, p.typ, p.attachments, ns)
	if p.hasID {
		id, _ := json.Marshal(p.id)
		b = append(b, id...)
	}
	return append(b, p.payload...)
}
