package redisstore

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

var (
	//go:embed lua/room.lua
	roomText string
	//go:embed lua/conn_prelude.lua
	connPrelude string
	//go:embed lua/put_usual.lua
	putUsualText string
	//go:embed lua/put.lua
	putText string
	//go:embed lua/enter.lua
	enterText string
	//go:embed lua/remove.lua
	removeText string
	//go:embed lua/conn_join_usual.lua
	connJoinUsualText string
	//go:embed lua/conn_join.lua
	connJoinText string
	//go:embed lua/conn_leave.lua
	connLeaveText string
	//go:embed lua/conn_refresh.lua
	connRefreshText string
	//go:embed lua/time.lua
	timeText string
	//go:embed lua/expiry.lua
	expiryText string
	//go:embed lua/index_set.lua
	indexSetText string
	//go:embed lua/index_del.lua
	indexDelText string
	//go:embed lua/beat.lua
	beatText string
	//go:embed lua/mark_dead.lua
	markDeadText string
	//go:embed lua/claim.lua
	claimText string
	//go:embed lua/rights.lua
	rightsText string
)

// scripts are the Lua scripts of a store. On a cluster each touches one key, and
// enter is not used.
type scripts struct {
	put, enter, remove, time         script
	indexSet, indexDel               script
	connJoin, connLeave, connRefresh script
	beat, markDead, claim, rights    script
}

// loadScripts prepares the scripts; publish is PUBLISH or SPUBLISH, and events
// ends the names of channels.
func loadScripts(publish, events string) scripts {
	room := "local PUBLISH, EVENTS = '" + publish + "', '" + events + "'\n" + roomText
	return scripts{
		put:         newScript(room + putUsualText + putText),
		enter:       newScript(room + enterText + putUsualText),
		remove:      newScript(room + removeText),
		time:        newScript(timeText),
		indexSet:    newScript(expiryText + indexSetText),
		indexDel:    newScript(expiryText + indexDelText),
		connJoin:    newScript(expiryText + connJoinUsualText + connPrelude + connJoinText),
		connLeave:   newScript(expiryText + connPrelude + connLeaveText),
		connRefresh: newScript(connRefreshText),
		beat:        newScript(beatText),
		markDead:    newScript(markDeadText),
		claim:       newScript(claimText),
		rights:      newScript(rightsText),
	}
}

type script struct{ text, sha string }

func newScript(text string) script {
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
