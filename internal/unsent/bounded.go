package unsent

import "context"

type bounded struct{}

// Bounded returns a context which says of requests that their connections have the bound already, from
// their listener.
func Bounded(ctx context.Context) context.Context { return context.WithValue(ctx, bounded{}, true) }

// IsBounded reports whether the connection of a request with that context has the bound already.
func IsBounded(ctx context.Context) bool { return ctx.Value(bounded{}) != nil }
