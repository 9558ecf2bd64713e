package redisstore

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Opener opens a Store with options that were checked.
type Opener struct{ o Options }

var _ store.Opener = (*Opener)(nil)

// NewOpener checks options, without connecting. What store.Settings has is for Open to set.
func NewOpener(o Options) (*Opener, error) {
	checked := o
	if _, err := checked.normalize(); err != nil {
		return nil, err
	}
	return &Opener{o}, nil
}

// Open implements store.Opener.
func (p *Opener) Open(ctx context.Context, s store.Settings) (store.Store, error) {
	o := p.o
	o.Namespace, o.TTL, o.Lease, o.Logger = s.Namespace, s.TTL, s.Lease, s.Logger
	st, err := Open(ctx, o)
	if err != nil { // not a nil *Store in an interface
		return nil, err
	}
	return st, nil
}
