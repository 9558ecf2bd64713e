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
	// Corker is told when the store begins to hand out what came to it at once, events and answers, and
	// when it is done with that. nil: nobody is.
	Corker Corker
	// Logger gets what operators should know.
	Logger *slog.Logger
}

// Corker has what is sent to clients between Cork and Uncork leave together. The calls are paired, and
// nothing blocks between the two; goroutines may overlap.
type Corker interface {
	Cork()
	Uncork()
}
