package socketio

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
)

func testBroadcasts(tb testing.TB) []*Broadcast {
	plain, err := NewEvent("/", "news", json.RawMessage(`{"a":1}`), nil)
	if err != nil {
		tb.Fatal(err)
	}
	binary, err := NewBinaryEvent("/custom", "file", [][]byte{{0, 1, 2}, {}}, appendPlaceholder(nil, 0), appendPlaceholder(nil, 1))
	if err != nil {
		tb.Fatal(err)
	}
	return []*Broadcast{
		{Namespace: "/", All: true, Packet: plain},
		{Namespace: "/", All: true},
		{Namespace: "/", Packet: plain},
		{Namespace: "/"}, // disconnects nobody
		{Namespace: "/", Rooms: []string{"a", "", "{b}:c 😀"}, Except: []string{"d"}, Packet: plain},
		{Namespace: "/custom", Rooms: []string{"a"}, Packet: binary},
		{Namespace: "/custom", Rooms: []string{"a"}}, // disconnects
	}
}

func TestBroadcastCodec(t *testing.T) {
	for _, b := range testBroadcasts(t) {
		wire := AppendBroadcast([]byte("before"), b)
		got, err := ParseBroadcast(wire[len("before"):])
		if err != nil {
			t.Errorf("%+v: %v", b, err)
			continue
		}
		clear(wire) // the result must not share its bytes
		if got.Namespace != b.Namespace || got.All != b.All || !slices.Equal(got.Rooms, b.Rooms) || !slices.Equal(got.Except, b.Except) ||
			(got.Packet == nil) != (b.Packet == nil) {
			t.Errorf("%+v became %+v", b, got)
		}
		if b.Packet != nil && (!bytes.Equal(got.Packet.payload, b.Packet.payload) || len(got.Packet.frames) != len(b.Packet.frames)) {
			t.Errorf("packet %q became %q", b.Packet.payload, got.Packet.payload)
		}
	}
}

func TestBroadcastOfAnotherVersionIsRefused(t *testing.T) {
	wire := AppendBroadcast(nil, testBroadcasts(t)[0])
	wire[0] = broadcastVersion + 1
	if b, err := ParseBroadcast(wire); err == nil {
		t.Errorf("parsed as %+v", b)
	}
}

func FuzzBroadcast(f *testing.F) {
	for _, b := range testBroadcasts(f) {
		f.Add(AppendBroadcast(nil, b))
	}
	f.Add([]byte{1, 0, 1, '/', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, wire []byte) {
		b, err := ParseBroadcast(wire)
		if err != nil {
			return
		}
		again, err := ParseBroadcast(AppendBroadcast(nil, b))
		if err != nil || !reflect.DeepEqual(b, again) {
			t.Errorf("%q: %+v became %+v, %v", wire, b, again, err)
		}
	})
}
