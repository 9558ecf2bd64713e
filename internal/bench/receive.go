package bench

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

// read handles packets until the connection ends.
func (m *member) read(conn link) {
	var err error
	for err == nil {
		var p client.Packet
		if p, err = conn.Next(); err == nil {
			err = m.handle(p)
		}
	}
	conn.Close()
	m.run.links.remove(conn)
	m.ended(conn, err)
}

// ended cleans up after a connection. It was wanted if the member has dropped
// it before, or the run is over.
func (m *member) ended(conn link, err error) {
	m.mu.Lock()
	unwanted := m.conn == conn
	if unwanted {
		m.conn = nil
	}
	pending := m.pending
	m.pending = nil
	if m.stay != nil {
		m.stay.over.Store(true)
		m.stay = nil
	}
	m.leaving = false
	m.mu.Unlock()
	if unwanted && !m.run.closing.Load() {
		kind := errLost
		if errors.Is(err, errBadPacket) {
			kind = errProtocol
		}
		m.run.fail(kind, "%s in %s: %v", m.user, m.room.name, err)
	}
	for _, q := range pending {
		if !q.late {
			m.run.pending.Add(-1)
		}
		if q.done != nil {
			q.done <- err
		}
	}
}

// errBadPacket is a packet that no server may send.
var errBadPacket = errors.New("not the protocol")

func badPacket(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errBadPacket, fmt.Errorf(format, args...))
}

func (m *member) handle(p client.Packet) error {
	switch p.Kind {
	case client.Event:
		return m.handleEvent(p.Body)
	case client.Ack:
		return m.answered(p)
	}
	return badPacket("an unexpected packet %.80q", p.Body)
}

// handleEvent judges and counts an event.
func (m *member) handleEvent(body []byte) error {
	base := m.run.cfg.BaseProtocol
	if bytes.HasPrefix(body, presenceEvents) {
		return m.handleBatch(body)
	}
	e, err := parseEvent(body, base)
	if err != nil {
		return badPacket("%w", err)
	}
	m.mu.Lock()
	s := m.stay
	m.mu.Unlock()
	if s == nil {
		if base {
			return nil // may pass the ack of the join or of the leave
		}
		return badPacket("an event outside of the room %.200q", body)
	}
	own := e.user == m.index
	var v verdict
	if base {
		v = s.takeBase(e, e.user/m.run.cfg.Rooms%m.run.cfg.UsersPerRoom, m.run.cfg.UsersPerRoom, own)
	} else {
		v = s.take(e, own)
		m.room.saw(e.seq)
	}
	m.run.verdicts.count(v)
	if v != ownJoin {
		timed := e.kind == updated && e.sent > 0 && m.run.cfg.once == nil
		m.record.deliver(m.run.now()-time.Duration(e.sent), timed)
	}
	return nil
}

// handleBatch judges and counts a message with several changes.
func (m *member) handleBatch(body []byte) error {
	b, err := parseBatch(body)
	if err != nil {
		return badPacket("%w", err)
	}
	m.mu.Lock()
	s := m.stay
	m.mu.Unlock()
	if s == nil {
		return badPacket("events outside of the room %.200q", body)
	}
	v := s.takeBatch(b)
	m.room.saw(b.seq)
	m.run.verdicts.count(v)
	if v == ownJoin {
		return nil
	}
	for _, sent := range b.sent {
		m.record.deliver(m.run.now()-time.Duration(sent), sent > 0 && m.run.cfg.once == nil)
	}
	return nil
}

// answered takes the answer to a request.
func (m *member) answered(p client.Packet) error {
	m.mu.Lock()
	i := slices.IndexFunc(m.pending, func(q request) bool { return q.id == p.Ack })
	if i < 0 {
		m.mu.Unlock()
		return badPacket("an answer to no request %.80q", p.Body)
	}
	q := m.pending[i]
	m.pending = slices.Delete(m.pending, i, i+1)
	m.mu.Unlock()
	if !q.late {
		m.record.record(q.op, m.run.now()-q.due)
		defer m.run.pending.Add(-1) // last, so that nobody sees a gap before the next request
	}
	err := m.outcome(q, p.Body)
	if q.done != nil {
		q.done <- err
	}
	if !q.late && (q.op == opHeartbeat || q.op == opPatch) {
		m.run.answered(m)
	}
	return nil
}

// outcome reads an answer and counts what is wrong with it.
func (m *member) outcome(q request, body []byte) error {
	if !accepted(body) {
		kind := errRefused
		if code := text(body, fieldCode); code != "" {
			kind += ":" + code
		}
		m.run.fail(kind, "%s of %s in %s: %.200s", opNames[q.op], m.user, m.room.name, body)
		return errors.New(kind)
	}
	switch q.op {
	case opJoin, opResume:
		return m.joined(body)
	case opPage:
		m.readPage(text(body, fieldNext))
	case opLeave:
		m.leftRoom()
	case opPatch:
		return m.patched(body)
	case opHeartbeat:
		if bytes.Contains(body, staleTrue) {
			m.run.fail(errStale, "a heartbeat of %s in %s: %.200s", m.user, m.room.name, body)
		}
	}
	return nil
}

// joined begins a stay.
func (m *member) joined(body []byte) error {
	a, err := parseJoinAck(body, m.run.cfg.BaseProtocol)
	if err != nil {
		m.run.fail(errProtocol, "join of %s in %s: %v", m.user, m.room.name, err)
		return err
	}
	s := newStay(a, m.run.ramping.Load())
	m.mu.Lock()
	m.stay, m.epoch, m.token = s, a.epoch, a.token
	m.mu.Unlock()
	m.room.begin(s, a.resumed, m.slot == 0)
	m.readPage(text(body, fieldNext))
	if m.run.cfg.graceMs > 0 && !s.first && !a.resumed {
		m.run.fail(errResume, "%s in %s", m.user, m.room.name)
	}
	return nil
}

// readPage asks for the members behind a place; "": all are there.
func (m *member) readPage(after string) {
	if after != "" {
		_ = m.send(request{op: opPage, due: m.run.now(), page: after}) // its reader counts what goes wrong
	}
}

func (m *member) leftRoom() {
	m.mu.Lock()
	s := m.stay
	m.stay, m.leaving = nil, false
	m.mu.Unlock()
	if s != nil {
		s.over.Store(true)
		m.room.left()
	}
}

// patched notes the event that a patch made.
func (m *member) patched(body []byte) error {
	m.room.patched()
	if m.run.cfg.BaseProtocol {
		return nil
	}
	if !bytes.Contains(body, changedTrue) {
		kind := errProtocol
		if bytes.Contains(body, staleTrue) {
			kind = errStale
		}
		m.run.fail(kind, "a patch of %s in %s changed nothing: %.200s", m.user, m.room.name, body)
		return errors.New(kind)
	}
	seq, err := number(body, fieldSeq)
	if err != nil {
		m.run.fail(errProtocol, "patch of %s in %s: %v", m.user, m.room.name, err)
		return err
	}
	m.room.saw(seq)
	return nil
}
