package redisstore

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// scripts are the Lua scripts of a store that publish nothing. On a cluster each touches one
// key.
type scripts struct {
	indexSet, indexDel               script
	connJoin, connLeave, connRefresh script
	beat, markDead, claim, rights    script
}

func loadScripts() scripts {
	return scripts{
		indexSet:    newScript("expiry", "index_set"),
		indexDel:    newScript("expiry", "index_del"),
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
	p.put = newScript("room", "put_usual", "put").after(head)
	p.enter = newScript("room", "enter", "put_usual").after(head)
	p.remove = newScript("room", "remove").after(head)
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

// execMany runs a script many times in one go; errs[i] is nil where msgs[i] is
// an answer.
func (p *pipeline) execMany(ctx context.Context, s *script, runs []run) ([]rueidis.RedisResult, error) {
	b := p.client.B()
	cmds := make([]rueidis.Completed, len(runs))
	for i, r := range runs {
		cmds[i] = s.bySha(b, r)
	}
	res, err := p.doMany(ctx, cmds)
	if err != nil {
		return nil, err
	}
	var again []int
	cmds = cmds[:0]
	for i := range res {
		if isNoScript(res[i].Error()) {
			again = append(again, i)
			cmds = append(cmds, s.byText(b, runs[i]))
		}
	}
	if len(again) == 0 {
		return res, nil
	}
	second, err := p.doMany(ctx, cmds)
	if err != nil {
		return nil, err
	}
	for j, i := range again {
		res[i] = second[j]
	}
	return res, nil
}

// errLate says that a write came to Redis after its time.
var errLate = fmt.Errorf("expired on its way: %w", store.ErrUnavailable)

// write runs a script that returns 0 when it expired, for each of the runs.
func (p *pipeline) write(ctx context.Context, s *script, runs ...run) error {
	res, err := p.execMany(ctx, s, runs)
	if err != nil {
		return err
	}
	for i := range res {
		n, err := res[i].AsInt64()
		if err != nil {
			return p.wrap(err)
		}
		if n == 0 {
			return errLate
		}
	}
	return nil
}

func isNoScript(err error) bool {
	e, ok := rueidis.IsRedisErr(err)
	return ok && e.IsNoScript()
}
