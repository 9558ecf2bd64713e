package storetest

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Shared opens a store that stands already, which stays open when those who opened it
// close it: several servers of one test share it.
func Shared(s store.Store) store.Opener { return sharing{s} }

type sharing struct{ s store.Store }

// Open implements store.Opener.
func (o sharing) Open(context.Context, store.Settings) (store.Store, error) {
	if f, ok := o.s.(*Faulty); ok { // with all that it implements
		return sharedFaulty{f}, nil
	}
	return shared{o.s}, nil
}

type shared struct{ store.Store }

// Close implements store.Store.
func (shared) Close(context.Context) error { return nil }

type sharedFaulty struct{ *Faulty }

// Close implements store.Store.
func (sharedFaulty) Close(context.Context) error { return nil }
