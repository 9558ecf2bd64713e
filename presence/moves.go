package presence

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// moves are the members that this node is taking over, by connId. Two of its
// own writes that make the same node their owner count from the same epoch, and
// the store would take one for a repeat of the other.
type moves map[string]chan struct{} // closed at the end

// move begins to take a member over, once nothing else of this node does.
func (r *room) move(ctx context.Context, connID string) error {
	for {
		r.mu.Lock()
		under := r.moves[connID]
		if under == nil {
			r.beginMove(connID)
			r.mu.Unlock()
			return nil
		}
		r.mu.Unlock()
		select {
		case <-under:
		case <-ctx.Done():
			return fmt.Errorf("take member %s over: another request does: %w: %w", connID, store.ErrUnavailable, ctx.Err())
		}
	}
}

// tryMove is move for who does not wait.
func (r *room) tryMove(connID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.moves[connID] != nil {
		return false
	}
	r.beginMove(connID)
	return true
}

// beginMove is called with the lock held.
func (r *room) beginMove(connID string) {
	if r.moves == nil {
		r.moves = make(moves)
	}
	r.moves[connID] = make(chan struct{})
}

func (r *room) endMove(connID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.moves[connID])
	delete(r.moves, connID)
}
