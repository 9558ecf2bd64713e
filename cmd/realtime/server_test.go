package main

import (
	"log/slog"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/config"
	"github.com/realtime-ai/realtime-message-go/presence"
)

func TestPublicURL(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv6unspecified, Port: 3000}
	for host, want := range map[string]string{
		"": "http://localhost:3000", "0.0.0.0": "http://localhost:3000", "::": "http://localhost:3000",
		"127.0.0.1": "http://127.0.0.1:3000", "::1": "http://[::1]:3000", "example.com": "http://example.com:3000",
	} {
		if got := publicURL(host, addr); got != want {
			t.Errorf("%q: got %s, want %s", host, got, want)
		}
	}
}

// No setting of presence may get lost on its way.
func TestSettingsReachPresence(t *testing.T) {
	s, err := newServer(&config.Config{
		MaxPayload: 5000, RelayEvents: config.Patterns{"a"}, TTL: 60_000, ReaperInterval: 2, ReaperLookback: 90_000,
		NodeLease: 4, AwayAfter: 5, MaxGrace: 6, MaxIDBytes: 7, MaxStateBytes: 8, MaxRooms: 9, Drain: 10,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.io.Close(t.Context()) }()
	want := presence.Options{
		IO: s.io, RefuseUnknown: true, RelayEvents: []string{"a"}, TTL: time.Minute, ReaperInterval: 2 * time.Millisecond, ReaperLookback: 90 * time.Second,
		NodeLease: 4 * time.Millisecond, AwayAfter: 5 * time.Millisecond, MaxGrace: 6 * time.Millisecond,
		MaxIDBytes: 7, MaxStateBytes: 8, MaxRooms: 9, DrainPeriod: 10 * time.Millisecond, Logger: s.log,
	}
	if !reflect.DeepEqual(s.presence, want) {
		t.Errorf("presence gets %+v\nwant %+v", s.presence, want)
	}
}
