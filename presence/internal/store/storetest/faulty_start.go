package storetest

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// startLag is by how much a started write that hangs outlasts its context.
const startLag = 50 * time.Millisecond

// StartPut implements store.Starter. To a Plan it is a call of Put. A failure
// that comes at once is told by StartPut itself, whatever else by a goroutine;
// one that hangs as late as a Starter may.
func (f *Faulty) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	fault := f.decide(putCall(p))
	tell := func() {
		res, err := f.putAs(ctx, *p, fault)
		if fault.Kind == Hang || fault.Kind == HangLate {
			f.lag()
		}
		w.PutDone(res, err)
	}
	if fault.Kind == FailBefore && !f.Frozen() || !f.start(tell) {
		tell()
	}
}

// lag blocks for startLag and while the process stands still.
func (f *Faulty) lag() {
	select {
	case <-time.After(startLag):
		f.Wait()
	case <-f.pause.killed:
	}
}
