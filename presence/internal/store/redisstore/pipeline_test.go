//go:build unix

package redisstore

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// batches keeps what a client is given to send.
type batches struct {
	rueidis.Client
	list [][]rueidis.Completed
}

func (b *batches) DoMulti(ctx context.Context, cmds ...rueidis.Completed) []rueidis.RedisResult {
	b.list = append(b.list, cmds)
	return b.Client.DoMulti(ctx, cmds...)
}

// A client that hands a batch back without an answer may still be writing it: the next
// batch lies elsewhere.
func TestABatchWithoutAnAnswerIsNotWrittenOver(t *testing.T) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redistest.Start(t).Addr}, DisableCache: true})
	must(t, err)
	client.Close() // every command fails from now on
	b := &batches{Client: client}
	p := newPipeline(b, func(uint16) string { return "" }, newGuard(nil, "", slog.New(slog.DiscardHandler)))
	defer p.close()
	for range 2 {
		if _, err := p.do(t.Context(), client.B().Ping().Build()); err == nil {
			t.Fatal("a closed client answered")
		}
		for end := time.Now().Add(healTime); !rests(p); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the batch is not done with")
			}
		}
	}
	if len(b.list) != 2 || &b.list[0][0] == &b.list[1][0] {
		t.Errorf("%d batches in the same memory", len(b.list))
	}
}

// rests reports whether no goroutine sends.
func rests(p *pipeline) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[""].busy == 0
}
