//go:build unix

package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/redis/rueidis"
)

// restTime is the deadline of a condition.
const restTime = 20 * time.Second

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
	if err != nil {
		t.Fatal(err)
	}
	client.Close() // every command fails from now on
	o := access.Options{URL: "redis://127.0.0.1"}
	l, err := o.Normalize()
	if err != nil {
		t.Fatal(err)
	}
	opt := access.ClientOption(t.Context(), &o, l)
	guard, err := access.NewGuard(&o, l, &opt, o.Logger)
	if err != nil {
		t.Fatal(err)
	}
	b := &batches{Client: client}
	p := New(b, func(uint16) string { return "" }, guard)
	defer p.Close()
	for range 2 {
		if _, err := p.Do(t.Context(), client.B().Ping().Build()); err == nil {
			t.Fatal("a closed client answered")
		}
		for end := time.Now().Add(restTime); p.Sending(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the batch is not done with")
			}
		}
	}
	if len(b.list) != 2 || &b.list[0][0] == &b.list[1][0] {
		t.Errorf("%d batches in the same memory", len(b.list))
	}
}
