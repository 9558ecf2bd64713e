package main

import (
	"net"
	"testing"
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
