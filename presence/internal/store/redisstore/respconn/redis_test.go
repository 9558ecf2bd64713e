package respconn

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

const waitTime = 20 * time.Second

// events notes what comes, and answers in the order in which they come.
type events chan string

func (e events) Cork()   {}
func (e events) Uncork() {}
func (e events) Message(channel, payload []byte) {
	e <- "message " + string(channel) + " " + string(payload)
}
func (e events) Subscribed(channel string)   { e <- "subscribed " + channel }
func (e events) Unsubscribed(channel string) { e <- "unsubscribed " + channel }
func (e events) refused(err error)           { e <- "refused " + err.Error() }
func (e events) Answered(text string, err error) {
	if err != nil {
		text = "error " + err.Error()
	}
	e <- "answer " + text
}

// next waits for as many as are wanted, and compares them.
func (e events) next(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	timeout := time.After(waitTime)
	for range want {
		select {
		case s := <-e:
			got = append(got, s)
		case <-timeout:
			t.Fatalf("got only %q, want %q", got, want)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func dial(t *testing.T, srv *redistest.Server, config Config) (*Conn, events) {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	e := make(events, 10_000)
	config.Stall = 2 * time.Second
	c, err := Start(conn, config, e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, e
}

func words(w ...string) *Command { return &Command{Words: w} }

func TestAgainstRedis(t *testing.T) {
	srv := redistest.Start(t)
	c, e := dial(t, srv, Config{ClientName: "ann", DB: 3})
	if !c.TakesCommands() {
		t.Fatal("it takes no commands")
	}
	send := func(w ...string) {
		t.Helper()
		if err := c.Send(words(w...), e); err != nil {
			t.Fatal(err)
		}
	}
	send("CLIENT", "GETNAME")
	e.next(t, "answer ann")
	send("SET", "k", "v")
	send("DBSIZE")
	send("GET", "k")
	send("GET", "none")
	send("NOSUCH")
	e.next(t, "answer OK", "answer 1", "answer v", "answer ", "answer error ERR unknown command 'NOSUCH', with args beginning with: ")

	if err := c.Subscribe("SUBSCRIBE", []string{"a", "b"}, e.refused); err != nil {
		t.Fatal(err)
	}
	send("PING")
	e.next(t, "subscribed a", "subscribed b", "answer PONG")
	script := "redis.call('PUBLISH', KEYS[1], ARGV[1]) return ARGV[1]"
	if err := c.Send(&Command{Words: []string{"EVAL", script, "1"}, Keys: []string{"b"}, Args: []string{"hello"}}, e); err != nil {
		t.Fatal(err)
	}
	both := []string{<-e, <-e} // which comes first differs between versions of Redis
	slices.Sort(both)
	if !slices.Equal(both, []string{"answer hello", "message b hello"}) {
		t.Fatalf("a script's answer and its message: %q", both)
	}
	long := strings.Repeat("x", 5*readSize)
	send("ECHO", long)
	e.next(t, "answer "+long)
	if err := c.Unsubscribe("UNSUBSCRIBE", []string{"a", "none"}, e.refused); err != nil {
		t.Fatal(err)
	}
	send("PING")
	e.next(t, "unsubscribed a", "unsubscribed none", "answer PONG")
}

// Many goroutines send at once: every answer is that to its command.
func TestManySenders(t *testing.T) {
	srv := redistest.Start(t)
	c, _ := dial(t, srv, Config{})
	const senders, each = 50, 200
	wrong := make(chan string, senders)
	for i := range senders {
		go func() {
			e := make(events, 1)
			for n := range each {
				text := strconv.Itoa(i*each + n)
				if err := c.Send(words("ECHO", text), e); err != nil {
					wrong <- err.Error()
					return
				}
				if got := <-e; got != "answer "+text {
					wrong <- got + " instead of " + text
					return
				}
			}
			wrong <- ""
		}()
	}
	for range senders {
		if w := <-wrong; w != "" {
			t.Error(w)
		}
	}
}

func TestRESP2(t *testing.T) {
	srv := redistest.Start(t)
	c, e := dial(t, srv, Config{RESP2: true, ClientName: "ann"})
	if c.TakesCommands() {
		t.Error("it takes commands")
	}
	if err := c.Subscribe("SUBSCRIBE", []string{"a"}, e.refused); err != nil {
		t.Fatal(err)
	}
	e.next(t, "subscribed a")
	c.check(time.Now()) // asks for a PONG
	if _, err := srv.Do("PUBLISH", "a", "hello"); err != nil {
		t.Fatal(err)
	}
	e.next(t, "message a hello")
	c.mu.Lock()
	waits := len(c.waiting) - c.first
	c.mu.Unlock()
	if waits != 0 {
		t.Errorf("%d commands wait still", waits)
	}
}

func TestPasswords(t *testing.T) {
	srv := redistest.Start(t, "--requirepass", "secret", "--user", "bob", "on", ">word", "~*", "&*", "+@all")
	for name, config := range map[string]Config{
		"password":          {Password: "secret"},
		"user":              {Username: "bob", Password: "word"},
		"password in RESP2": {Password: "secret", RESP2: true},
		"user in RESP2":     {Username: "bob", Password: "word", RESP2: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, e := dial(t, srv, config)
			if err := c.Send(words("PING"), e); err != nil {
				t.Fatal(err)
			}
			e.next(t, "answer PONG")
		})
	}
	conn, err := net.Dial("tcp", srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(conn, Config{Password: "wrong", Stall: time.Second}, make(events, 1))
	if refused, ok := errors.AsType[Error](err); !ok || !strings.HasPrefix(string(refused), "WRONGPASS") {
		t.Errorf("wrong password: %v", err)
	}
}

// A server that is gone: whoever waits is told, and so is who comes later.
func TestServerGone(t *testing.T) {
	srv := redistest.Start(t)
	c, e := dial(t, srv, Config{})
	if err := srv.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := c.Send(words("PING"), e); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	if s := <-e; !strings.HasPrefix(s, "answer error ") {
		t.Errorf("who waits hears %q", s)
	}
	<-c.Ended()
	if err := c.Send(words("PING"), e); !errors.Is(err, ErrClosed) {
		t.Errorf("later: %v", err)
	}
	if c.Err() == nil {
		t.Error("no reason")
	}
}
