package presence

import (
	"testing"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// Only a goodbye of one side ends a member that could resume.
func TestLossOf(t *testing.T) {
	for _, tc := range []struct {
		reason socketio.Reason
		want   Reason
		clean  bool
	}{
		{socketio.ReasonClientDisconnect, ReasonDisconnect, true},
		{socketio.ReasonServerDisconnect, ReasonDisconnect, true},
		{engineio.ReasonTransportClose, ReasonDisconnect, false},
		{engineio.ReasonSlowConsumer, ReasonDisconnect, false},
		{engineio.ReasonPingTimeout, ReasonTimeout, false},
		{engineio.ReasonShutdown, ReasonShutdown, false},
		{"of the application", ReasonDisconnect, false},
	} {
		if got, clean := disconnectReason(tc.reason); got != tc.want || clean != tc.clean {
			t.Errorf("%q is %q, clean: %v", tc.reason, got, clean)
		}
	}
}
