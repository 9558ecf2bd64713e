package redis_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/redis"
)

func TestNewRefusesBadOptions(t *testing.T) {
	for says, o := range map[string]redis.Options{
		"Options.URL is empty": {},
		"Options.URL: ":        {URL: "redis://localhost:1?databse=1"},
		"Options.Prefix":       {URL: "redis://localhost:1", Prefix: "{x}"},
		"Options.DialTimeout":  {URL: "redis://localhost:1", DialTimeout: -1},
		"master_set":           {URL: "redis://localhost:1", SentinelPassword: "secret"},
	} {
		store, err := redis.New(o)
		if err == nil || store != nil || !strings.HasPrefix(err.Error(), "redis: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", says, store, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a password is quoted: %v", err)
		}
	}
}

// A program with members in its own memory links no Redis client.
func TestOnlyThisPackageLinksARedisClient(t *testing.T) {
	for path, want := range map[string]bool{"../../presence": false, ".": true} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", path).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := strings.Contains(string(out), "redis/rueidis"); got != want {
			t.Errorf("%s links a Redis client: %v", path, got)
		}
	}
}
