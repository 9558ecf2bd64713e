package owned

import (
	"context"
	"errors"

	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// ErrConnIDTaken says that another member has this connId.
var ErrConnIDTaken = errors.New("join: the connId is taken")

var emptyState = []byte("{}")

// NewMember is the new member of a join, above the epoch floor.
func (r *Room) NewMember(p *wire.Join, connID string, floor int64) *Member {
	m := r.makeMember(connID, p.UserID, newLife(), p.State)
	if m.state == nil {
		m.state = emptyState
	}
	m.write.Store(1)
	m.setGrace(p.GraceMs.Value)
	m.Epoch.Store(floor + 1)
	m.ClientEpoch.Store(m.Epoch.Load())
	return m
}

// Create writes a new member and gives it to the session, which is answered; else what may be
// of it is removed. An operation of the session's executor.
func (m *Member) Create(ctx context.Context, s Session, p *wire.Join, a rooms.Acker) error {
	r := m.Room
	r.Mu.Lock()
	r.Owned[m.ConnID] = m // so that nothing that happens to it is overlooked
	r.Mu.Unlock()
	waiting := m.await(m.Epoch.Load(), 0)
	defer r.RemoveWaiter(waiting)
	res, err := m.enter(ctx)
	if err == nil {
		m.joinedMs.Store(res.Member.JoinedMs)
		err = waiting.Wait(ctx, r.Room)
	}
	if err == nil {
		refused := m.ackJoin(s, a, waiting, false, p)
		if refused == nil {
			return nil
		}
		m.letGo(0)
		r.all.MarkInDoubt(s.Executor(), m.removing(store.ReasonLeave))
		return refused
	}
	m.letGo(0)
	if !errors.Is(err, ErrConnIDTaken) {
		m.rollBackJoin(ctx, s.Executor())
	}
	return err
}

// enter writes a new member, the indexes and the connection.
func (m *Member) enter(ctx context.Context) (store.PutResult, error) {
	ms := m.Room.all
	lacks, since, err := ms.Index.Lacks(ctx, m.Room.ID, m.owner)
	if err != nil {
		return store.PutResult{}, err
	}
	q := store.EnterRequest{
		Put: store.Put{Intent: store.IntentJoin, Member: m.Record()}, SeenMs: ms.StoreNow(), AddRoom: lacks,
	}
	m.Room.FillPut(ctx, &q.Put)
	res, err := ms.Store.Enter(ctx, q)
	if err == nil && !res.Outcome.TookEffect() {
		err = ErrConnIDTaken
	}
	if err == nil && lacks {
		ms.Index.Added(m.Room.ID, m.owner, since)
	}
	return res, err
}

// rollBackJoin takes back a join that was refused although it may have taken effect,
// or still may: it waits until the join cannot any more.
func (m *Member) rollBackJoin(ctx context.Context, l *serial.Executor) {
	ms := m.Room.all
	ms.MarkInDoubt(l, ms.After(ms.Expiry(ctx), m.removing(store.ReasonLeave)))
}

// Rejoin replaces the state of a member by another join. An operation of the session's executor.
func (m *Member) Rejoin(ctx context.Context, s Session, p *wire.Join, a rooms.Acker) error {
	r := m.Room
	before := m.Record()
	next := before
	next.Epoch++
	next.Write++
	next.Away = false
	if !p.KeepState {
		next.State = p.State
	}
	if next.State == nil {
		next.State = emptyState
	}
	m.setGrace(p.GraceMs.Value)
	next.GraceMs, next.Token = m.GraceMs, m.digest
	waiting := m.await(next.Epoch, 0)
	defer r.RemoveWaiter(waiting)

	put := store.Put{Intent: store.IntentJoin, Member: next, Fence: before.Epoch}
	res, err := r.put(ctx, &put)
	if err == nil && (res.Outcome == store.Fenced || res.Outcome == store.Missing) {
		m.setGrace(before.GraceMs) // which it is restored with, and keeps if that fails
		if err := m.ResolveMismatch(ctx, s.Executor()); err != nil {
			return err
		}
		return m.Rejoin(ctx, s, p, a)
	}
	if err == nil {
		m.Epoch.Store(next.Epoch)
		m.state = next.State
		m.Away.Store(false)
		m.write.Store(next.Write)
		err = r.all.ConnJoin(ctx, m.conn())
	}
	if err == nil {
		err = waiting.Wait(ctx, r.Room)
	}
	epoch := m.ClientEpoch.Load()
	if err == nil {
		m.ClientEpoch.Store(next.Epoch)
		err = m.ackJoin(s, a, waiting, false, p)
	}
	if err != nil && r.isOwn(m) { // also one that was removed, and is about to be restored
		m.ClientEpoch.Store(epoch)
		m.setGrace(before.GraceMs)
		m.state = before.State // also for a restore that comes in between
		m.rollBackRejoin(ctx, s.Executor(), put, before)
	}
	return err
}

// rollBackRejoin finds out later, when it cannot any more, whether a refused
// join of a member took effect, and if so puts everything but the epoch back as
// it was before.
func (m *Member) rollBackRejoin(ctx context.Context, l *serial.Executor, put store.Put, before store.Member) {
	ms, r := m.Room.all, m.Room
	ms.MarkInDoubt(l, ms.After(ms.Expiry(ctx), func(ctx context.Context) error {
		if !r.isOwn(m) {
			return nil // another socket has it
		}
		stands, err := ms.Stored(ctx, r.ID, m.ConnID)
		if err != nil {
			return err
		}
		if stands == nil || stands.Epoch != put.Member.Epoch || stands.Owner != put.Member.Owner {
			return nil // the join did not take effect, or the member was taken over or lost
		}
		back := before
		back.Epoch, back.Write = stands.Epoch, stands.Write+1
		m.Epoch.Store(back.Epoch)
		res, err := r.put(ctx, &store.Put{Intent: store.IntentUpdate, Member: back, Fence: back.Epoch})
		if err == nil {
			m.Applied(res.Outcome, &back)
		}
		return err
	}))
}
