package socketio

import (
	"context"
	"encoding/json"
)

// Typed makes a handler of a function on values: it decodes the first argument
// into an In (left zero when there is none), and acknowledges with the Out, if
// the client asked. An argument that does not fit is answered with an
// [AckError] of code "invalid_payload" whose sentence names the field and what
// belongs there. An UnmarshalJSON that returns an AckError words that itself.
//
// A message with attachments is answered with "invalid_payload" too, since its
// JSON holds placeholders where the client had bytes. Only a function on []byte
// takes one: a single attachment that is the first argument. Other handlers of
// binary messages read [Message.BinaryArg] and [Message.Binary].
func Typed[In, Out any](f func(ctx context.Context, s *Socket, in In) (Out, error)) Handler {
	return func(ctx context.Context, s *Socket, m *Message) error {
		var in In
		if err := decodeFirst(m, &in); err != nil {
			return err
		}
		out, err := f(ctx, s, in)
		if err != nil {
			return err
		}
		return m.Ack().Send(out)
	}
}

var errAttachments = &AckError{Code: "invalid_payload", Message: "This event takes no attachments: its arguments must be JSON without binary data."}

// decodeFirst decodes the first argument into what in points to, and leaves
// that as it is when there is none.
func decodeFirst(m *Message, in any) error {
	if len(m.Binary()) > 0 {
		whole, ok := m.BinaryArg(0)
		to, takes := in.(*[]byte)
		if !ok || !takes || len(m.Binary()) > 1 {
			return errAttachments
		}
		*to = whole
		return nil
	}
	arg := m.Arg(0)
	if arg == nil {
		return nil
	}
	if err := json.Unmarshal(arg, in); err != nil {
		return misfit(err)
	}
	return nil
}
