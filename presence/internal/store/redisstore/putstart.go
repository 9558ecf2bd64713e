package redisstore

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

// StartPut implements store.Starter.
func (s *Store) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	if err := checkPut(p); err != nil {
		w.PutDone(store.PutResult{}, putError(p, err))
		return
	}
	u := &unattendedPut{store: s, ctx: ctx, put: p, waiter: w}
	u.send()
}

// unattendedPut is a Put that no goroutine waits for.
type unattendedPut struct {
	store    *Store
	ctx      context.Context
	put      *store.Put
	waiter   store.PutWaiter
	fullText bool // Redis did not have the script
}

func (u *unattendedPut) send() {
	s := u.store
	var list [maxArgs]string
	all := s.putArgs(list[:0], u.put)
	r := run{all[:1], all[1:]}
	script := &s.publishing.Load().put
	if u.fullText {
		s.pipe.start(u.ctx, script.byText(s.client.B(), r), u)
	} else {
		s.pipe.start(u.ctx, script.bySha(s.client.B(), r), u)
	}
}

func (u *unattendedPut) answered(msg rueidis.RedisMessage, err error) {
	if isNoScript(err) && !u.fullText {
		u.fullText = true
		u.send()
		return
	}
	var res store.PutResult
	if err == nil {
		err = readPutAnswer(u.put, msg, &res)
	}
	if err != nil {
		res, err = store.PutResult{}, putError(u.put, err)
	}
	u.waiter.PutDone(res, err)
}
