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
func Typed[In, Out any](f func(ctx context.Context, s *Socket, in In) (Out, error)) Handler {
	return func(ctx context.Context, s *Socket, m *Message) error {
		var in In
		if arg := m.Arg(0); arg != nil {
			if err := json.Unmarshal(arg, &in); err != nil {
				return misfit(err)
			}
		}
		out, err := f(ctx, s, in)
		if err != nil {
			return err
		}
		return m.Ack().Send(out)
	}
}
