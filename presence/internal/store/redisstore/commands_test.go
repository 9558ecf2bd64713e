package redisstore

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/redis/rueidis"
)

// storeName is what the store's connections are called in tests that look at
// its commands.
const storeName = "the-store"

// sharded are the only commands newer than Redis 6.0: they are sent to servers
// that have them.
var sharded = []string{"SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE"}

// spy collects the commands that a store sends and its scripts call. The
// store's URL has client_name=the-store.
type spy struct {
	mu    sync.Mutex
	calls map[string]map[string]bool // command, subcommand included → words in it that may be options
	names map[string]string          // client names, by address
	lines map[string]int             // lines read, by command
}

// spyOn watches the servers until the test ends, and then checks that no
// command is newer than Redis 6.0.
func spyOn(t *testing.T, servers ...*redistest.Server) {
	t.Helper()
	s := &spy{calls: make(map[string]map[string]bool), names: make(map[string]string), lines: make(map[string]int)}
	var wg sync.WaitGroup
	for _, srv := range servers {
		c, err := net.Dial("tcp", srv.Addr)
		must(t, err)
		_, err = c.Write([]byte("MONITOR\r\n"))
		must(t, err)
		in := bufio.NewReaderSize(c, 1<<20)
		line, err := in.ReadString('\n')
		must(t, err)
		if line != "+OK\r\n" {
			t.Fatalf("MONITOR answers %q", line)
		}
		wg.Go(func() { s.listen(t, in, srv.Addr) })
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Cleanup(func() {
		for _, srv := range servers {
			_, err := srv.Do("ECHO", endOfSpying)
			must(t, err)
		}
		wg.Wait()
		s.check(t, servers[0])
	})
}

const endOfSpying = "end of spying"

// listen reads what MONITOR prints, such as
//
//	+1700000000.123456 [0 127.0.0.1:5000] "HSET" "key" "field"
//	+1700000000.123456 [0 lua] "HSET" "key" "field"
func (s *spy) listen(t *testing.T, in *bufio.Reader, server string) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Errorf("MONITOR ended: %v", err)
			return
		}
		_, rest, _ := strings.Cut(line, "[")
		from, rest, _ := strings.Cut(rest, "] ")
		_, from, _ = strings.Cut(from, " ")
		if s.enough(rest) {
			continue
		}
		words, err := unquote(rest)
		if err != nil {
			t.Errorf("MONITOR prints %q: %v", line, err)
			return
		}
		if slices.Equal(words, []string{"ECHO", endOfSpying}) {
			return
		}
		s.note(server+" "+from, from == "lua", words)
	}
}

// enough tells whether a command was seen so often that one more line of it
// teaches nothing: to read them all takes long.
func (s *spy) enough(line string) bool {
	name, _, _ := strings.Cut(line, " ")
	if name == `"HELLO"` || name == `"CLIENT"` || name == `"ECHO"` {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[name]++
	return s.lines[name] > 1000
}

func unquote(s string) (words []string, err error) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, err
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		words, s = append(words, word), s[len(quoted):]
	}
	return words, nil
}

// withSubcommands are commands whose first argument is part of their name.
var withSubcommands = []string{"CLUSTER", "CLIENT", "CONFIG", "SCRIPT", "COMMAND", "OBJECT", "MEMORY", "ACL", "FUNCTION"}

func (s *spy) note(client string, script bool, words []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToUpper(words[0])
	switch {
	case (name == "HELLO" || name == "CLIENT") && slices.Contains(words, "SETNAME"):
		s.names[client] = words[len(words)-1]
	case name == "HELLO": // another connection had this address before
		delete(s.names, client)
	}
	if !script && s.names[client] != storeName {
		return
	}
	rest := words[1:]
	if slices.Contains(withSubcommands, name) && len(rest) > 0 {
		name, rest = name+" "+strings.ToUpper(rest[0]), rest[1:]
	}
	if s.calls[name] == nil {
		s.calls[name] = make(map[string]bool)
	}
	for _, w := range rest {
		if len(w) < 20 && w == strings.ToUpper(w) {
			s.calls[name][w] = true
		}
	}
}

// check asks the server since when it has the commands and their options.
func (s *spy) check(t *testing.T, srv *redistest.Server) {
	opt, err := rueidis.ParseURL(srv.URL())
	must(t, err)
	opt.DisableCache, opt.ForceSingleClient = true, true
	c, err := rueidis.NewClient(opt)
	must(t, err)
	defer c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Sorted(maps.Keys(s.calls))
	t.Logf("commands in use: %s", strings.Join(names, ", "))
	for _, must := range []string{"EVALSHA", "HSET", "ZADD"} { // the last two only scripts use
		if !slices.Contains(names, must) {
			t.Errorf("%s was not seen", must)
		}
	}
	for _, name := range names {
		if slices.Contains(sharded, name) {
			continue
		}
		d, err := docs(c, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if newer(d.since) {
			t.Errorf("%s is there since Redis %s only", name, d.since)
		}
		for token, since := range d.options {
			if newer(since) && s.calls[name][token] {
				t.Errorf("%s %s is there since Redis %s only", name, token, since)
			}
		}
	}
}

// newer tells whether a version is newer than 6.0.
func newer(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 != nil || err2 != nil || a > 6 || a == 6 && b > 0
}

// docsOf says since when a command and its options are there.
type docsOf struct {
	since   string
	options map[string]string
}

func docs(c rueidis.Client, name string) (docsOf, error) {
	full := strings.ToLower(strings.ReplaceAll(name, " ", "|"))
	all, err := c.Do(context.Background(), c.B().Arbitrary("COMMAND", "DOCS").Args(full).Build()).AsMap()
	if err != nil {
		return docsOf{}, err
	}
	msg, ok := all[full]
	if !ok {
		return docsOf{}, fmt.Errorf("the server does not know it")
	}
	d, err := msg.AsMap()
	if err != nil {
		return docsOf{}, err
	}
	since := d["since"]
	out := docsOf{options: make(map[string]string)}
	if out.since, err = since.ToString(); err != nil {
		return out, err
	}
	return out, out.read(d["arguments"], "1.0.0")
}

// read notes the options among arguments, which are there since a version
// unless they say otherwise.
func (d *docsOf) read(arguments rueidis.RedisMessage, since string) error {
	list, err := arguments.ToArray()
	if err != nil {
		return nil // there are none
	}
	for _, a := range list {
		m, err := a.AsMap()
		if err != nil {
			return err
		}
		token, own := m["token"], m["since"]
		from, _ := own.ToString()
		if from == "" {
			from = since
		}
		if t, _ := token.ToString(); t != "" {
			d.options[t] = from
		}
		if err := d.read(m["arguments"], from); err != nil {
			return err
		}
	}
	return nil
}

func TestDocsOfCommands(t *testing.T) {
	srv := redistest.Start(t)
	opt, err := rueidis.ParseURL(srv.URL())
	must(t, err)
	opt.DisableCache = true
	c, err := rueidis.NewClient(opt)
	must(t, err)
	defer c.Close()
	for name, want := range map[string]struct {
		newer  bool
		option string
		since  bool
	}{
		"ZADD":          {false, "GT", true},
		"SET":           {false, "PX", false},
		"GETDEL":        {true, "", false},
		"CLUSTER SLOTS": {false, "", false},
		"CLUSTER LINKS": {true, "", false},
	} {
		d, err := docs(c, name)
		must(t, err)
		if newer(d.since) != want.newer || want.option != "" && newer(d.options[want.option]) != want.since {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
