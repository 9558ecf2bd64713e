package bench

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

// member is one client in one room. After fill it belongs to its own
// goroutine, which is the only one that reads, writes and counts.
type member struct {
	run   *run
	conn  *client.Conn
	room  string
	user  string
	epoch int64
	seq   int64 // of the room, as far as this member has seen it
	loop  *loop // what it does when an answer comes; nil for nothing

	nextAck uint64
	sentAt  []time.Time // of requests under way, by ack id modulo their number
	payload []byte
	frame   []byte
}

// join joins the member's room and counts the joins of others that are due.
func (m *member) join() error {
	payload := fmt.Appendf(nil, `{"roomId":%q,"userId":%q,"state":{"n":0}}`, m.room, m.user)
	if err := m.conn.Write(client.AppendEvent(nil, 0, "presence:join", payload)); err != nil {
		return err
	}
	m.nextAck = 1
	p, err := m.conn.Await(client.Ack)
	if err != nil {
		return err
	}
	if !accepted(p.Body) {
		return fmt.Errorf("join refused: %s", p.Body)
	}
	if m.seq, err = number(p.Body, fieldSeq); err != nil {
		return err
	}
	_, self, found := bytes.Cut(p.Body, []byte(`"self":`))
	if !found {
		return fmt.Errorf("no self in %.200q", p.Body)
	}
	if m.epoch, err = number(self, fieldEpoch); err != nil {
		return err
	}
	present := bytes.Count(p.Body, fieldConn) - 1 // one is self's
	m.run.expected.Add(int64(m.run.cfg.RoomSize - present))
	return nil
}

// read handles packets until the connection ends.
func (m *member) read() {
	for {
		p, err := m.conn.Next()
		if err == nil {
			err = m.handle(p)
		}
		if err != nil {
			m.run.fail(fmt.Errorf("%s in %s: %w", m.user, m.room, err))
			return
		}
	}
}

func (m *member) handle(p client.Packet) error {
	switch p.Kind {
	case client.Event:
		return m.handleEvent(p.Body)
	case client.Ack:
		return m.loop.answered(m, p)
	default:
		return fmt.Errorf("an unexpected packet %.80q", p.Body)
	}
}

// handleEvent checks that the event is the next one of the room and counts it.
func (m *member) handleEvent(body []byte) error {
	if !bytes.HasPrefix(body, presenceEvent) {
		return fmt.Errorf("an unexpected event %.80q", body)
	}
	seq, err := number(body, fieldSeq)
	if err != nil {
		return err
	}
	if seq == m.seq && bytes.Contains(body, typeJoin) && bytes.Contains(body, []byte(m.user)) {
		return nil // its own join, which the ack covers
	}
	if seq <= m.seq {
		return fmt.Errorf("event %d after %d", seq, m.seq)
	}
	prev, err := number(body, fieldPrev)
	if err != nil {
		return err
	}
	if prev > m.seq {
		return fmt.Errorf("an event is missing: %d follows %d, not %d", seq, prev, m.seq)
	}
	if !bytes.Contains(body, typeJoin) && !bytes.Contains(body, typeUpdate) {
		return fmt.Errorf("an unexpected event %.200q", body)
	}
	m.seq = seq
	m.run.events.Add(1)
	return nil
}

// send sends a request and notes the time. The payload may share m.payload,
// which is kept for the next one.
func (m *member) send(name string, payload []byte) error {
	id := m.nextAck
	m.nextAck++
	m.payload = payload
	m.sentAt[id%uint64(len(m.sentAt))] = time.Now()
	m.run.pending.Add(1)
	m.frame = client.AppendEvent(m.frame[:0], id, name, payload)
	return m.conn.Write(m.frame)
}

// appendHeartbeat appends the payload of a heartbeat as the SDK sends it.
func (m *member) appendHeartbeat(dst []byte) []byte {
	dst = append(dst, `{"epoch":`...)
	dst = strconv.AppendInt(dst, m.epoch, 10)
	return append(dst, '}')
}

// appendPatch appends the payload of a heartbeat with a patch that changes
// the state each time.
func (m *member) appendPatch(dst []byte) []byte {
	dst = append(dst, `{"epoch":`...)
	dst = strconv.AppendInt(dst, m.epoch, 10)
	dst = append(dst, `,"patchState":{"n":`...)
	dst = strconv.AppendUint(dst, m.nextAck, 10)
	return append(dst, `}}`...)
}
