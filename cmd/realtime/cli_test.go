package main

import (
	"reflect"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/config"
)

func TestDefaultsOfSubcommands(t *testing.T) {
	parse := func(env config.Env, args ...string) cli {
		t.Helper()
		var c cli
		if _, _, err := config.Parse(&c, args, env); err != nil {
			t.Fatal(err)
		}
		return c
	}
	dev, serve := parse(nil, "dev").Dev, parse(nil, "serve").Serve
	local := config.Origins{"http://localhost:*", "https://localhost:*", "http://127.0.0.1:*", "https://127.0.0.1:*", "http://[::1]:*", "https://[::1]:*"}
	if dev.Host != "localhost" || !reflect.DeepEqual(dev.CORSOrigins, local) || !reflect.DeepEqual(dev.RelayEvents, config.Patterns{"chat:*"}) {
		t.Errorf("dev: host %q, origins %q, relay %q", dev.Host, dev.CORSOrigins, dev.RelayEvents)
	}
	if serve.Host != "" || len(serve.CORSOrigins) != 0 || len(serve.RelayEvents) != 0 || serve.URL != "redis://localhost:6379" {
		t.Errorf("serve: origins %q, relay %q, Redis %q", serve.CORSOrigins, serve.RelayEvents, serve.URL)
	}
	quiet := parse(config.Env{"RELAY_EVENTS": "", "CORS_ORIGINS": ""}, "dev").Dev
	if len(quiet.CORSOrigins) != 0 || len(quiet.RelayEvents) != 0 {
		t.Errorf("dev with empty lists: origins %q, relay %q", quiet.CORSOrigins, quiet.RelayEvents)
	}
	if open := parse(config.Env{"HOST": ""}, "dev").Dev; open.Host != "" {
		t.Errorf("dev on all interfaces: host %q", open.Host)
	}
	// A setting that the subcommand does not have must not be checked.
	parse(config.Env{"REDIS_URL": "nonsense"}, "dev")
}
