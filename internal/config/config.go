// Package config reads the configuration of the realtime command. Every
// setting is a field with a flag and an environment variable of the same name;
// a flag wins over the environment, the environment over a .env file.
package config

import "time"

// Config holds the settings that serve and dev share. Its tags are the whole
// list of flags, variables, defaults and bounds; host, cors, relay and drain are
// variables of the command, since their defaults differ between serve and dev.
type Config struct {
	Host Host   `env:"HOST" default:"${host}" placeholder:"ADDR" help:"Address to listen on; empty listens on all interfaces (default: ${host_text})."`
	Port Number `env:"PORT" default:"3000" min:"0" max:"65535" placeholder:"PORT" help:"Port to listen on (${default}); 0 takes any free port."`

	CORSOrigins  Origins  `name:"cors-origins" env:"CORS_ORIGINS" default:"${cors}" placeholder:"ORIGIN,..." help:"Origins of pages that may connect besides those of the server's own host, such as https://*.example.com; * for any, without credentials (default: ${cors_text})."`
	AllowedHosts Hosts    `env:"ALLOWED_HOSTS" placeholder:"HOST,..." help:"Host names that requests may use, against DNS rebinding (default: any)."`
	RelayEvents  Patterns `env:"RELAY_EVENTS" default:"${relay}" placeholder:"PATTERN,..." help:"Client events to relay to the sender's rooms, such as chat:*,cursor (default: ${relay_text})."`
	MaxPayload   Number   `env:"MAX_PAYLOAD" default:"1000000" min:"1000" max:"1000000000" placeholder:"BYTES" help:"Largest message that a client may send (${default})."`
	MaxLarge     Number   `name:"max-large-bytes" env:"MAX_LARGE_BYTES" default:"268435456" min:"1000000" max:"1000000000000" placeholder:"BYTES" help:"Memory for all large messages that wait to be sent, such as the members of large rooms (${default})."`

	Ping           Number `name:"ping-interval-ms" env:"PING_INTERVAL_MS" default:"8000" min:"100" max:"86400000" placeholder:"MS" help:"Time between two pings of a connection, at most half the lookback (${default})."`
	PingTimeout    Number `name:"ping-timeout-ms" env:"PING_TIMEOUT_MS" default:"20000" min:"100" max:"86400000" placeholder:"MS" help:"How long the answer to a ping may take; after that the connection is closed (${default})."`
	IdleTimeout    Number `name:"idle-timeout-ms" env:"IDLE_TIMEOUT_MS" default:"650000" min:"1000" max:"86400000" placeholder:"MS" help:"How long an idle HTTP connection stays open; longer than the load balancer keeps it (${default})."`
	MaxConnections Number `env:"MAX_CONNECTIONS" min:"1" max:"2147483647" placeholder:"N" help:"Most connections (default: somewhat fewer than the process may open files)."`

	TTL            Number `name:"presence-ttl-ms" env:"PRESENCE_TTL_MS" default:"30000" min:"1000" max:"86400000" placeholder:"MS" help:"Time to live of prs:conn:<connId> (${default})."`
	ReaperInterval Number `name:"presence-reaper-interval-ms" env:"PRESENCE_REAPER_INTERVAL_MS" default:"3000" min:"10" max:"86400000" placeholder:"MS" help:"How often the server looks for silent connections (${default})."`
	ReaperLookback Number `name:"presence-reaper-lookback-ms" env:"PRESENCE_REAPER_LOOKBACK_MS" min:"200" max:"172800000" placeholder:"MS" help:"Silence after which a connection is closed (default: twice the TTL)."`
	NodeLease      Number `name:"presence-node-lease-ms" env:"PRESENCE_NODE_LEASE_MS" default:"4000" min:"3000" max:"86400000" placeholder:"MS" help:"Silence of a server after which the others count it as dead (${default})."`
	AwayAfter      Number `name:"presence-away-after-ms" env:"PRESENCE_AWAY_AFTER_MS" default:"2000" min:"1" max:"86400000" placeholder:"MS" help:"Time without a connection after which a resumable member is shown away (${default})."`
	MaxTick        Number `name:"presence-max-tick-ms" env:"PRESENCE_MAX_TICK_MS" default:"1000" min:"1" max:"60000" placeholder:"MS" help:"For how long a busy room gathers changes at most, for clients that take several in one message (${default})."`
	MaxGrace       Number `name:"presence-max-grace-ms" env:"PRESENCE_MAX_GRACE_MS" default:"120000" min:"1" max:"86400000" placeholder:"MS" help:"Longest graceMs that a member gets (${default})."`
	MaxIDBytes     Number `name:"presence-max-id-bytes" env:"PRESENCE_MAX_ID_BYTES" default:"256" min:"1" max:"65536" placeholder:"BYTES" help:"Longest roomId and userId (${default})."`
	MaxStateBytes  Number `name:"presence-max-state-bytes" env:"PRESENCE_MAX_STATE_BYTES" default:"16384" min:"2" max:"1000000000" placeholder:"BYTES" help:"Largest state of a member (${default})."`
	MaxRooms       Number `name:"presence-max-rooms" env:"PRESENCE_MAX_ROOMS" default:"100" min:"1" max:"1000000" placeholder:"N" help:"Most rooms per connection (${default})."`

	Drain Number `name:"drain-ms" env:"DRAIN_MS" default:"${drain}" min:"0" max:"3600000" placeholder:"MS" help:"When told to stop: time over which connections are closed one by one; 0 closes all at once (${default})."`

	LogLevel  LogLevel  `env:"LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (${default})."`
	LogFormat LogFormat `env:"LOG_FORMAT" default:"text" placeholder:"FORMAT" help:"text or json (${default})."`
}

// Redis holds the settings that only serve has.
type Redis struct {
	URL    RedisURL    `name:"redis-url" env:"REDIS_URL" default:"redis://localhost:6379" placeholder:"URL" help:"Redis to keep members in (${default}); also rediss://, unix://, and ?master_set= for Sentinel."`
	Prefix RedisPrefix `name:"redis-prefix" env:"REDIS_PREFIX" default:"prs:" placeholder:"PREFIX" help:"Prefix of all keys and channels (${default})."`
}

// Lookback is the silence after which a connection is closed: what was given,
// else twice the TTL.
func (c *Config) Lookback() time.Duration {
	if c.ReaperLookback > 0 {
		return c.ReaperLookback.Millis()
	}
	return 2 * c.TTL.Millis()
}

// PingInterval is how often the server pings its clients. A client that only
// answers pings must never look silent, so it is at most half the lookback.
func (c *Config) PingInterval() time.Duration {
	return min(c.Ping.Millis(), c.Lookback()/2)
}
