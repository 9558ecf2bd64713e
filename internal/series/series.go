// Package series describes messages that are one of a series of changes, so that
// a connection whose client reads slowly can do without some of them.
package series

// Change says that a message is one of a series, each of which has a number and
// names that of the one before it. It lets a backlog be folded: of the changes of one
// subject that wait for a connection only the last is sent, and the one behind a gap
// names the last that was sent.
type Change struct {
	Series string // the changes of one series are numbered together
	// Subject is what it is about, Holder whose that is. It goes from one holder to
	// another by an end and a begin.
	Subject, Holder string
	Kind            Kind
	Seq, Prev       int64
	// PrevAt and PrevLen are where the digits of Prev stand in the message.
	PrevAt, PrevLen int
}

// Kind says what a change does to its subject.
type Kind uint8

// The kinds of changes.
const (
	// State replaces the whole state of a subject that is there.
	State Kind = iota
	// Begin brings a subject that was not there, with its whole state.
	Begin
	// Replace replaces a subject and its whole state.
	Replace
	// End removes it.
	End
	// Batch is several changes in one message, and has no subject. It is never folded with others.
	Batch
)
