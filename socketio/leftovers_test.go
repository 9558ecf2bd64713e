package socketio

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gauge counts how many run at once, and how many at most.
type gauge struct{ now, most, ever atomic.Int32 }

func (g *gauge) run(f func()) {
	g.ever.Add(1)
	if n := g.now.Add(1); n > g.most.Load() {
		g.most.Store(n)
	}
	f()
	g.now.Add(-1)
}

// A client that joins and leaves in a loop has one undecided socket at most in
// each namespace, whether or not the middleware notices that it has left.
func TestJoiningInALoop(t *testing.T) {
	for _, namespace := range []string{"/", "/custom"} {
		bubble(t, Config{}, func(t *testing.T, e *env) {
			var g gauge
			var j journal
			n := e.io.Of(namespace)
			j.watch(n)
			n.Use(func(context.Context, *Socket) error {
				g.run(func() { time.Sleep(2 * time.Second) })
				return nil
			})
			c := e.open()
			for range 1000 {
				c.send(header("40", namespace), header("41", namespace))
			}
			c.send(header("40", namespace))
			synctest.Wait()
			if g.most.Load() != 1 || g.ever.Load() != 1 {
				t.Errorf("%d middlewares ran, %d at once", g.ever.Load(), g.most.Load())
			}
			if got := c.recv(); !strings.HasPrefix(got, header("40", namespace)) {
				t.Errorf("the last attempt got %s", got)
			}
			c.wantNothing()
			j.want(t, "connect")
			if g.most.Load() != 1 || g.ever.Load() != 2 {
				t.Errorf("%d middlewares ran, %d at once", g.ever.Load(), g.most.Load())
			}
		})
	}
}

// The client has given up an attempt, so what became of it is no answer to the next.
func TestAnAbandonedAttemptIsNotAnswered(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		first := true
		e.root.Use(func(ctx context.Context, _ *Socket) error {
			if !first {
				return nil
			}
			first = false
			<-ctx.Done()
			return &ConnectError{Message: "too late"}
		})
		c := e.open()
		c.send("40", "41")
		c.join("/")
		c.wantNothing()
	})
}

// Handlers and OnConnect functions of sockets that have ended are bounded too; others
// of the connection are not held up.
func TestHandlersLeftBehindAreBounded(t *testing.T) {
	for name, register := range map[string]func(n *Namespace, slow func()){
		"handler": func(n *Namespace, slow func()) {
			n.On("work", func(context.Context, *Socket, *Message) error { slow(); return nil })
		},
		"OnConnect": func(n *Namespace, slow func()) { n.OnConnect(func(context.Context, *Socket) { slow() }) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, e *env) {
				var g gauge
				register(e.io.Of("/work"), func() { g.run(func() { time.Sleep(time.Minute) }) })
				e.root.OnInline("fast", acknowledge)
				c := e.join("/")
				conn := e.socket(c).conn
				for range maxLeftovers {
					c.join("/work")
					c.send(`42/work,["work"]`)
					synctest.Wait()
					c.send("41/work")
				}
				for range 100 {
					c.send("40/work", "41/work")
				}
				c.send("40/work", `421["fast"]`)
				c.want(`431[]`)
				if n := g.most.Load(); n != maxLeftovers {
					t.Errorf("%d run at once", n)
				}
				time.Sleep(2 * time.Minute)
				if got := c.recv(); !strings.HasPrefix(got, "40/work,") {
					t.Fatalf("got %s", got)
				}
				synctest.Wait()
				if conn.left != nil {
					t.Errorf("still noted: %+v", conn.left)
				}
			})
		})
	}
}

// What waits for its turn ends with the connection.
func TestConnectionEndsWhileASocketWaits(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var g gauge
		e.root.Use(func(context.Context, *Socket) error {
			g.run(func() { time.Sleep(time.Minute) })
			return nil
		})
		c := e.open()
		c.send("40", "41", "40")
		synctest.Wait()
		c.conn.Close()
		time.Sleep(2 * time.Minute)
		if g.ever.Load() != 1 {
			t.Errorf("%d middlewares ran", g.ever.Load())
		}
	})
}

func TestNamespacesPerConnectionAreBounded(t *testing.T) {
	bubble(t, Config{MaxNamespaces: 3}, func(t *testing.T, e *env) {
		c := e.open()
		for i := range 4 {
			name := fmt.Sprintf("/n%d", i)
			e.io.Of(name)
			if i < 3 {
				c.join(name)
				continue
			}
			c.send("40" + name)
			c.want(`44/n3,{"message":"This connection is in too many namespaces; open another one."}`)
		}
		c.send("41/n0")
		c.join("/n3")
	})
}
