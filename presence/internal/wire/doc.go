// Package wire turns what presence says on the wire into bytes and back: requests of
// clients, their answers and refusals, events, snapshots. It is pure: it holds no state,
// and it neither blocks nor logs.
//
// The Parse functions take a payload whose JSON was checked when it came in. Each error
// that they return is an *Error, which the client may see. The Append functions append to
// a buffer of the caller and return it; they allocate only when it is too small.
//
// The types that users of package presence see are aliased there.
package wire
