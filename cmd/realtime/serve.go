package main

import (
	"fmt"

	"github.com/realtime-ai/realtime-message-go/internal/config"
	"github.com/realtime-ai/realtime-message-go/internal/gcpace"
	"github.com/realtime-ai/realtime-message-go/presence/redis"
)

type serveCmd struct {
	config.Redis  `embed:""`
	config.Config `kong:"embed,set='host=',set='host_text=all interfaces',set='cors=',set='cors_text=none',set='relay=',set='relay_text=none',set='drain=5000'"`
}

// Run serves until a signal ends it.
func (c *serveCmd) Run(out output) error {
	pace := gcpace.Start()
	defer pace.Stop()
	s, err := newServer(&c.Config, newLogger(&c.Config, out))
	if err != nil {
		return err
	}
	if s.presence.Store, err = redis.New(redis.Options{URL: string(c.URL), Prefix: string(c.Prefix)}); err != nil {
		return err
	}
	s.presenceError = func(err error) error {
		return fmt.Errorf("cannot start with Redis at %s (REDIS_URL): %w", c.URL.Redacted(), err)
	}
	s.ready = func(url string) {
		fmt.Fprintf(out.stdout, "realtime serve: %s (Redis at %s)\n", url, c.URL.Redacted())
	}
	return s.run()
}
