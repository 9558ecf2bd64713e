package store

// Sharded is a Store whose records may lie on several servers, so that some rooms can stall
// while others work. It is optional: a store without it is assumed to stall as a whole.
type Sharded interface {
	Store
	// Sharded reports whether that is so. It never changes.
	Sharded() bool
}
