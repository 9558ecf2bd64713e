package store

import (
	"context"
	"log/slog"
	"time"
)

// Opener opens a store. What it opens belongs to the caller, who closes it.
type Opener interface {
	// Open blocks until the store has answered, for as long as ctx allows.
	Open(ctx context.Context, s Settings) (Store, error)
}

// Settings are what the engine tells a store that it opens.
type Settings struct {
	// Namespace is of whose sockets the members are. Two namespaces on one store are two
	// worlds.
	Namespace string
	// TTL is how long a connection's record lives without a refresh.
	TTL time.Duration
	// Lease is how old the life sign of a node that lives may be.
	Lease time.Duration
	// Logger gets what operators should know.
	Logger *slog.Logger
}
