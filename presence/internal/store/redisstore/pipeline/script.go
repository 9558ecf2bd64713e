package pipeline

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/redis/rueidis"
)

// Script is a Lua script, which Redis knows by the digest of its text.
type Script struct{ Text, sha string }

// NewScript returns the script with that text.
func NewScript(text string) Script {
	sum := sha1.Sum([]byte(text))
	return Script{text, hex.EncodeToString(sum[:])}
}

// After is the script with a text put before it.
func (s Script) After(head string) Script { return NewScript(head + s.Text) }

// Run is one run of a script.
type Run struct{ Keys, Args []string }

func (s *Script) bySha(b rueidis.Builder, r Run) rueidis.Completed {
	return b.Evalsha().Sha1(s.sha).Numkeys(int64(len(r.Keys))).Key(r.Keys...).Arg(r.Args...).Build()
}

func (s *Script) byText(b rueidis.Builder, r Run) rueidis.Completed {
	return b.Eval().Script(s.Text).Numkeys(int64(len(r.Keys))).Key(r.Keys...).Arg(r.Args...).Build()
}

// Exec runs a script once. It is only sent a second time when Redis says that
// it does not have it, and so did not run it.
func (p *Pipeline) Exec(ctx context.Context, s *Script, r Run) (rueidis.RedisMessage, error) {
	res, err := p.Do(ctx, s.bySha(p.client.B(), r))
	if isNoScript(err) {
		res, err = p.Do(ctx, s.byText(p.client.B(), r))
	}
	return res, err
}

// ExecMany runs a script many times in one go. It must be one that may run twice: all of
// them are sent again when some server does not have it.
func (p *Pipeline) ExecMany(ctx context.Context, s *Script, runs []Run) ([]rueidis.RedisResult, error) {
	res, err := p.sendMany(ctx, s.bySha, runs)
	if err == nil && slices.ContainsFunc(res, func(r rueidis.RedisResult) bool { return isNoScript(r.Error()) }) {
		res, err = p.sendMany(ctx, s.byText, runs)
	}
	return res, err
}

func (p *Pipeline) sendMany(ctx context.Context, command func(rueidis.Builder, Run) rueidis.Completed, runs []Run) ([]rueidis.RedisResult, error) {
	cmds := make([]rueidis.Completed, len(runs))
	for i, r := range runs {
		cmds[i] = command(p.client.B(), r)
	}
	return p.DoMany(ctx, cmds)
}

func isNoScript(err error) bool {
	answer, ok := access.Refusal(err)
	return ok && strings.HasPrefix(answer, "NOSCRIPT")
}
