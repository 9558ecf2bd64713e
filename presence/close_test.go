package presence_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/wiretest"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// inRuntime runs a test in fake time on a Runtime without sockets; happen puts
// a member into a room.
func inRuntime(t *testing.T, o presence.Options, f func(rt *presence.Runtime, happen func(room, connID string))) {
	synctest.Test(t, func(t *testing.T) {
		server, err := socketio.NewServer(socketio.Config{})
		if err != nil {
			t.Fatal(err)
		}
		st := memstore.New(memstore.Options{})
		o.IO, o.Store = server, storetest.Shared(st)
		rt, err := presence.Init(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		f(rt, func(room, connID string) {
			t.Helper()
			_, err := store.PutAndWait(context.Background(), st, store.Put{Room: room, Intent: store.IntentJoin, Member: store.Member{
				ConnID: connID, UserID: "u", Owner: "n", Epoch: 1, Write: 1, State: []byte("{}"),
			}})
			if err != nil {
				t.Fatal(err)
			}
		})
		_ = rt.Close(context.Background())
		_ = server.Close(context.Background())
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func subscribe(t *testing.T, rt *presence.Runtime, room string, f func(presence.Event)) {
	t.Helper()
	if _, _, err := rt.Subscribe(context.Background(), room, f); err != nil {
		t.Fatal(err)
	}
}

// Close keeps to its context although a subscriber's function blocks, says
// so, and calls it no more.
func TestCloseKeepsToItsContext(t *testing.T) {
	inRuntime(t, presence.Options{}, func(rt *presence.Runtime, happen func(room, connID string)) {
		var calls atomic.Int32
		hold := make(chan struct{})
		subscribe(t, rt, "r", func(presence.Event) {
			calls.Add(1)
			<-hold
		})
		happen("r", "a")
		happen("r", "b")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		err := rt.Close(ctx)
		if d := time.Since(begin); d != 5*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("asked to end within 5 s, Close took %v and returned %v", d, err)
		}
		close(hold)
		synctest.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls, want none after Close", n)
		}
	})
}

// Close waits for a function that returns in time.
func TestCloseWaitsForSubscribers(t *testing.T) {
	inRuntime(t, presence.Options{}, func(rt *presence.Runtime, happen func(room, connID string)) {
		returned := false
		subscribe(t, rt, "r", func(presence.Event) {
			time.Sleep(time.Second)
			returned = true
		})
		happen("r", "a")
		synctest.Wait()
		if err := rt.Close(context.Background()); err != nil || !returned {
			t.Errorf("Close returned %v, the function: %v", err, returned)
		}
	})
}

// Close may be called from the functions that it waits for, by several of them
// at the same time.
func TestCloseFromASubscriber(t *testing.T) {
	inRuntime(t, presence.Options{}, func(rt *presence.Runtime, happen func(room, connID string)) {
		var called, closed sync.WaitGroup
		called.Add(2)
		closed.Add(2)
		for _, room := range []string{"r", "s"} {
			subscribe(t, rt, room, func(presence.Event) {
				defer closed.Done()
				called.Done()
				called.Wait()
				if err := rt.Close(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Close returned %v to a function that it has to wait for", err)
				}
			})
		}
		happen("r", "a")
		happen("s", "a")
		closed.Wait()
	})
}

// Whoever closes while another one does waits for the end, and hears how it went;
// so does whoever comes later.
func TestCloseTwice(t *testing.T) {
	inRuntime(t, presence.Options{}, func(rt *presence.Runtime, happen func(room, connID string)) {
		hold := make(chan struct{})
		subscribe(t, rt, "r", func(presence.Event) { <-hold })
		happen("r", "a")
		synctest.Wait()
		results := make(chan error, 2)
		for range 2 {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				results <- rt.Close(ctx)
			}()
			synctest.Wait()
			time.Sleep(time.Second)
		}
		for range 2 {
			if err := <-results; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close returned %v", err)
			}
		}
		close(hold)
		if err := rt.Close(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// Close keeps to its context although Options.Authorize blocks, whatever its
// own context says.
func TestCloseWhileAuthorizeBlocks(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	asked, hold := make(chan struct{}), make(chan struct{})
	rt, err := presence.Init(context.Background(), presence.Options{
		IO: server,
		Authorize: func(context.Context, *socketio.Socket, presence.JoinRequest) error {
			close(asked)
			<-hold
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server)
	defer srv.Close()
	c := connect(t, srv.URL, "")
	c.send(`421["presence:join",{"roomId":"r","userId":"u"}]`)
	<-asked
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := rt.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close returned %v", err)
	}
	close(hold)
	if code := c.closeCode(); code != ws.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
	if err := server.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// A panic in a subscriber's function is logged with an id, and the next event
// comes nevertheless.
func TestPanicOfASubscriber(t *testing.T) {
	var log strings.Builder
	o := presence.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	inRuntime(t, o, func(rt *presence.Runtime, happen func(room, connID string)) {
		var heard []string
		subscribe(t, rt, "r", func(e presence.Event) {
			heard = append(heard, e.ConnID)
			if e.ConnID == "a" {
				panic("out of range")
			}
		})
		happen("r", "a")
		happen("r", "b")
		synctest.Wait()
		if got := strings.Join(heard, " "); got != "a b" {
			t.Errorf("heard %q", got)
		}
		if !strings.Contains(log.String(), "out of range") || !strings.Contains(log.String(), " id=") {
			t.Errorf("the log says %q", log.String())
		}
	})
}

// A Subscribe that comes while Close is under way fails; it does not wait for
// a room that nobody opens any more.
func TestSubscribeWhileClosing(t *testing.T) {
	inRuntime(t, presence.Options{}, func(rt *presence.Runtime, happen func(room, connID string)) {
		hold := make(chan struct{})
		subscribe(t, rt, "r", func(presence.Event) { <-hold })
		happen("r", "a")
		go rt.Close(context.Background())
		synctest.Wait() // it waits for the function
		for _, room := range []string{"r", "s"} {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if _, _, err := rt.Subscribe(ctx, room, func(presence.Event) {}); !errors.Is(err, store.ErrClosed) {
				t.Errorf("room %s: %v, want ErrClosed", room, err)
			}
		}
		close(hold)
	})
}

// closeCode reads until the server closes, and returns its WebSocket code.
func (w *wire) closeCode() ws.StatusCode {
	w.t.Helper()
	if err := w.conn.SetReadDeadline(time.Now().Add(deadline)); err != nil {
		w.t.Fatal(err)
	}
	return wiretest.CloseCode(w.t, w.conn)
}
