package store

// Sharded is a Store whose records may lie on several servers, so that calls about
// some rooms can stall while others are answered. It is optional: a store without it
// is taken for one that stalls as a whole.
type Sharded interface {
	Store
	// Sharded reports whether that is so. It never changes.
	Sharded() bool
}
