package presence

import (
	"context"
	"fmt"
	"time"
)

// Rooms are stored by their ids alone, so the members of two namespaces that share
// a store would mix. A node that starts says which namespace its members are of, and
// nodes of another one answer. The root namespace, which nearly everybody has, does
// not wait for that: what it hears later is an error in the log.

// namespaceWait is for how long a node of any other namespace waits for an answer.
const namespaceWait = 250 * time.Millisecond

// The second byte of a castNamespace.
const (
	namespaceHello  = 'h'
	namespaceAnswer = 'a'
)

// announceNamespace fails when another namespace uses the store.
func (e *engine) announceNamespace(ctx context.Context) error {
	if err := e.sendNamespace(ctx, namespaceHello); err != nil {
		return fmt.Errorf("presence: announce namespace %q: %w", e.namespace, err)
	}
	if e.namespace != "/" {
		if err := e.wait(ctx, namespaceWait); err != nil {
			return fmt.Errorf("presence: announce namespace %q: %w", e.namespace, err)
		}
	}
	if other := e.otherNamespace.Load(); other != nil {
		return fmt.Errorf("presence: servers with presence in namespace %q use the same store, and their rooms would mix "+
			"with those of %q: give one of them a Redis database or a key prefix of its own", clipped(*other), e.namespace)
	}
	return nil
}

func (e *engine) sendNamespace(ctx context.Context, kind byte) error {
	return e.store.PublishNodes(ctx, append([]byte{castNamespace, kind}, e.namespace...))
}

// heardNamespace takes what another node, or this one, sent.
func (e *engine) heardNamespace(text []byte) {
	if len(text) < 2 || string(text[1:]) == e.namespace {
		return
	}
	other := string(text[1:])
	e.otherNamespace.Store(&other)
	e.log.Error("servers with presence in another namespace use the same store; their rooms mix with those of this one",
		"namespace", e.namespace, "other", clipped(other))
	if text[0] == namespaceHello {
		e.start(func() {
			ctx, cancel := e.bounded()
			defer cancel()
			if err := e.sendNamespace(ctx, namespaceAnswer); err != nil {
				e.faults.Warn("cannot answer a server of another namespace", "error", err)
			}
		})
	}
}
