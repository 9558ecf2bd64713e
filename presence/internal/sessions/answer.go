package sessions

import (
	"context"
	"errors"

	"github.com/realtime-ai/realtime-message-go/internal/clip"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

var ackOK = []byte(wire.AckOK)

// answerHeartbeat answers a heartbeat.
func (ss *Sockets) answerHeartbeat(a rooms.Acker, ack wire.HeartbeatAck) {
	t := ss.Texts.Get(rooms.SmallText)
	t.B = wire.AppendHeartbeatAck(t.B, ack)
	a.Answer(t.B)
	ss.Texts.Put(t)
}

// logLateAnswer says so if an error is that a request was given up because its turn for an
// answer with a snapshot did not come.
func (st *session) logLateAnswer(err error) {
	if !errors.Is(err, wire.ErrAnswerLate) {
		return
	}
	s := st.sock
	s.all.Throttled.Warn("join or sync refused: no memory for its large answer within 10 s; see MAX_LARGE_BYTES",
		"reason", wire.ErrAnswerLate.Code, "room", wire.Clipped(st.roomID()), "user", wire.Clipped(s.Users()), "address", s.conn.Address())
}

// Refuse answers a request with an error as the client shall see it.
func (ss *Sockets) Refuse(a rooms.Acker, err error, doing string) {
	a.Answer(wire.AppendRefusal(nil, ss.toClientError(err, doing)))
}

// toClientError translates an error into what the client gets. This is the only place where
// errors of the store and of the application become codes. An unexpected error is logged
// with an id that the client gets too.
func (ss *Sockets) toClientError(err error, doing string) *wire.Error {
	var coded *wire.Error
	switch {
	case errors.As(err, &coded):
		return coded
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		if ss.Stopping.Load() {
			return wire.ErrShuttingDown
		}
		ss.Throttled.Warn("request refused: the store did not answer in time", "doing", doing, "error", truncatedError(err))
		return wire.ErrStoreSilent
	}
	id := core.RandomID(9)
	ss.Log.Error("internal error", "id", id, "doing", doing, "error", truncatedError(err))
	return &wire.Error{Code: wire.CodeInternal, Message: "Something went wrong on the server; report it with the id " + id + "."}
}

// maxLoggedError is how many bytes of an error are logged: it may repeat what a client
// sent, or have a stack.
const maxLoggedError = 8 << 10

func truncatedError(err error) string { return clip.Text(err.Error(), maxLoggedError) }
