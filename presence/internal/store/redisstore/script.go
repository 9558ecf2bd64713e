package redisstore

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// scripts are the Lua scripts of a store that publish nothing. On a cluster each touches one
// key.
type scripts struct {
	nodeRoom, userAdd, userRemove    script
	connJoin, connLeave, connRefresh script
	beat, markDead, claim, rights    script
}

func loadScripts() scripts {
	return scripts{
		nodeRoom:    newScript("expiry", "node_room"),
		userAdd:     newScript("expiry", "user_add"),
		userRemove:  newScript("expiry", "user_remove"),
		connJoin:    newScript("expiry", "conn_join_usual", "conn_prelude", "conn_join"),
		connLeave:   newScript("expiry", "conn_prelude", "conn_leave"),
		connRefresh: newScript("conn_refresh"),
		beat:        newScript("beat"),
		markDead:    newScript("mark_dead"),
		claim:       newScript("claim"),
		rights:      newScript("rights"),
	}
}

// publishing is how a store publishes: with PUBLISH or SPUBLISH.
type publishing struct {
	command string
	// The scripts that publish. enter is not used on a cluster.
	put, enter, remove script
}

// newPublishing prepares it; events ends the names of channels.
func newPublishing(sharded bool, events string) *publishing {
	p := &publishing{command: "PUBLISH"}
	if sharded {
		p.command = "SPUBLISH"
	}
	head := "local PUBLISH, EVENTS = '" + p.command + "', '" + events + "'\n"
	p.put = newScript("room", "put_usual", "done", "record", "put").after(head)
	p.enter = newScript("room", "enter_room", "put_usual", "enter").after(head)
	p.remove = newScript("room", "record", "remove").after(head)
	return p
}

type script struct{ text, sha string }

// newScript puts files of the folder lua together.
func newScript(files ...string) script {
	var text strings.Builder
	for _, name := range files {
		part, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil { // it is not in the program: no script without it is understood
			part = []byte("error('" + name + "')")
		}
		text.Write(part)
	}
	return script{}.after(text.String())
}

// after is the script with a text put before it.
func (s script) after(head string) script {
	text := head + s.text
	sum := sha1.Sum([]byte(text))
	return script{text, hex.EncodeToString(sum[:])}
}

// run is one run of a script.
type run struct{ keys, args []string }

func (s *script) bySha(b rueidis.Builder, r run) rueidis.Completed {
	return b.Evalsha().Sha1(s.sha).Numkeys(int64(len(r.keys))).Key(r.keys...).Arg(r.args...).Build()
}

func (s *script) byText(b rueidis.Builder, r run) rueidis.Completed {
	return b.Eval().Script(s.text).Numkeys(int64(len(r.keys))).Key(r.keys...).Arg(r.args...).Build()
}

// exec runs a script once. It is only sent a second time when Redis says that
// it does not have it, and so did not run it.
func (p *pipeline) exec(ctx context.Context, s *script, r run) (rueidis.RedisMessage, error) {
	res, err := p.do(ctx, s.bySha(p.client.B(), r))
	if isNoScript(err) {
		res, err = p.do(ctx, s.byText(p.client.B(), r))
	}
	return res, err
}

// execMany runs a script many times in one go. It must be one that may run twice: all of
// them are sent again when some server does not have it.
func (p *pipeline) execMany(ctx context.Context, s *script, runs []run) ([]rueidis.RedisResult, error) {
	res, err := p.sendMany(ctx, s.bySha, runs)
	if err == nil && slices.ContainsFunc(res, func(r rueidis.RedisResult) bool { return isNoScript(r.Error()) }) {
		res, err = p.sendMany(ctx, s.byText, runs)
	}
	return res, err
}

func (p *pipeline) sendMany(ctx context.Context, command func(rueidis.Builder, run) rueidis.Completed, runs []run) ([]rueidis.RedisResult, error) {
	cmds := make([]rueidis.Completed, len(runs))
	for i, r := range runs {
		cmds[i] = command(p.client.B(), r)
	}
	return p.doMany(ctx, cmds)
}

// errLate says that a write came to Redis after its time.
var errLate = fmt.Errorf("expired on its way: %w", store.ErrUnavailable)

// write runs a script on the key of an id, with the time first after which it does nothing
// and returns 0.
func (s *Store) write(ctx context.Context, with *script, key func(id string) string, id string, expiresMs int64, args ...string) error {
	all := append([]string{expiry(s.expires(expiresMs, key, id))}, args...)
	done, err := s.pipe.text(ctx, with, run{[]string{key(id)}, all})
	if err == nil && done == "0" {
		err = errLate
	}
	return err
}

func isNoScript(err error) bool {
	answer, ok := refusal(err)
	return ok && strings.HasPrefix(answer, "NOSCRIPT")
}
