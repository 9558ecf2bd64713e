package access

import "testing"

// A server that the client library knows by its port alone is at the host of the URL.
func TestWholeAddress(t *testing.T) {
	d := &dials{host: "redis.example"}
	for addr, want := range map[string]string{
		":7001": "redis.example:7001", "redis.example:7002": "redis.example:7002", "[::1]:7001": "[::1]:7001", "/run/redis.sock": "/run/redis.sock",
	} {
		if got := d.whole(addr); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}
