package bench

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/client"
)

// link is one connection, whatever its transport.
type link interface {
	Next() (client.Packet, error)
	Write([]byte) error
	Close()
}

// member is one user: a connection, and its place in a room. Its reader
// goroutine lives as long as the connection and handles all that comes;
// requests may be sent from any goroutine.
type member struct {
	run    *run
	index  int
	slot   int // in its room
	room   *room
	target string
	user   string
	talks  bool
	record *shard

	sending sync.Mutex // held while a request is built and written
	payload []byte
	frame   []byte
	patches int64   // how many were sent: the counter in its state
	credit  float64 // of heartbeats towards the next patch

	mu      sync.Mutex
	conn    link // nil without a connection
	stay    *stay
	leaving bool
	epoch   int64
	token   string // to resume with
	nextAck uint64
	pending []request // without an answer, in the order sent
	reader  chan struct{}
}

// request is one that waits for its answer.
type request struct {
	id   uint64
	op   op
	due  time.Duration // when it was to be sent, since the run's start
	late bool          // it has been counted as an error
	page string        // of opPage: the place behind which it begins
	done chan<- error  // gets the outcome if somebody waits; buffered
}

var (
	errNotConnected = errors.New("not connected")
	errNoAnswer     = errors.New("no answer in time")
)

// connect dials and starts the reader. due is when it was to begin.
func (m *member) connect(due time.Duration) error {
	conn, err := m.run.dial(m.target)
	if err != nil {
		m.run.fail(errConnect, "%s: %v", m.user, err)
		return err
	}
	m.record.record(opConnect, m.run.now()-due)
	reader := make(chan struct{})
	m.mu.Lock()
	m.conn, m.nextAck, m.reader = conn, 0, reader
	m.mu.Unlock()
	if !m.run.links.add(conn) {
		conn.Close() // the run is over
	}
	m.run.readers.Go(func() {
		defer close(reader)
		m.read(conn)
	})
	return nil
}

// cut closes the connection without a good-bye. It does not wait.
func (m *member) cut() {
	m.mu.Lock()
	conn, in := m.conn, m.stay != nil
	m.conn = nil // so that the reader takes its end for wanted
	m.mu.Unlock()
	if conn == nil {
		return
	}
	conn.Close()
	if in && m.run.cfg.graceMs == 0 {
		m.room.left()
	}
}

// reconnect cuts the connection, unless that was done, and opens another.
func (m *member) reconnect() error {
	m.cut()
	m.mu.Lock()
	reader := m.reader
	m.mu.Unlock()
	if reader != nil {
		<-reader
	}
	return m.connect(m.run.now())
}

// join joins the room, or resumes with the token it has, and waits for the ack.
func (m *member) join() error {
	m.mu.Lock()
	o := opJoin
	if m.token != "" {
		o = opResume
	}
	m.mu.Unlock()
	return m.await(o)
}

// leave leaves the room and waits for the ack.
func (m *member) leave() error { return m.await(opLeave) }

// await sends a request and waits for its answer.
func (m *member) await(o op) error {
	done := make(chan error, 1)
	if err := m.send(request{op: o, due: m.run.now(), done: done}); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-time.After(m.run.cfg.AckTimeout):
		return errNoAnswer // which the sweep counts
	}
}

// send sends one request, unless the member is not in its room. What goes wrong
// with the connection is counted by its reader.
func (m *member) send(q request) error {
	m.sending.Lock()
	defer m.sending.Unlock()
	m.mu.Lock()
	conn := m.conn
	if conn == nil || m.leaving || m.stay == nil && q.op != opJoin && q.op != opResume {
		m.mu.Unlock()
		return errNotConnected
	}
	m.leaving = q.op == opLeave
	q.id = m.nextAck
	m.nextAck++
	m.pending = append(m.pending, q)
	m.run.pending.Add(1)
	epoch, token := m.epoch, m.token
	m.mu.Unlock()

	name, payload := m.build(q, epoch, token, m.payload[:0])
	m.payload = payload
	m.frame = client.AppendEvent(m.frame[:0], q.id, name, payload)
	if err := conn.Write(m.frame); err != nil {
		conn.Close() // the reader cleans up
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// build appends the payload of a request.
func (m *member) build(q request, epoch int64, token string, dst []byte) (string, []byte) {
	switch q.op {
	case opJoin, opResume:
		dst = append(dst, `{"roomId":"`...)
		dst = append(append(dst, m.room.name...), `","userId":"`...)
		dst = append(append(dst, m.user...), '"')
		if q.op == opResume {
			dst = append(append(append(dst, `,"resume":"`...), token...), '"')
		} else {
			dst = append(append(dst, `,"state":{`...), m.run.padding...)
			dst = append(m.appendCounters(dst, 0), '}')
		}
		if grace := m.run.cfg.graceMs; grace > 0 {
			dst = strconv.AppendInt(append(dst, `,"graceMs":`...), int64(grace), 10)
		}
		if limit := m.run.cfg.Limit; limit > 0 {
			dst = strconv.AppendInt(append(dst, `,"limit":`...), int64(limit), 10)
		}
		if m.run.cfg.Deltas {
			dst = append(dst, `,"deltas":true`...)
		}
		return "presence:join", append(dst, '}')
	case opPage:
		dst = append(append(append(dst, `{"roomId":"`...), m.room.name...), `","after":"`...)
		return "presence:members", append(append(dst, q.page...), `"}`...)
	case opLeave:
		return "presence:leave", append(dst, "null"...)
	}
	dst = strconv.AppendInt(append(dst, `{"epoch":`...), epoch, 10)
	if q.op == opPatch {
		m.patches++
		dst = m.appendCounters(append(dst, `,"patchState":{`...), q.due)
		dst = append(dst, '}')
	}
	return "presence:heartbeat", append(dst, '}')
}

// appendCounters appends the fields of the state that receivers read: how many
// patches there were, and when the last was sent.
func (m *member) appendCounters(dst []byte, sent time.Duration) []byte {
	dst = strconv.AppendInt(append(dst, `"n":`...), m.patches, 10)
	return strconv.AppendInt(append(dst, `,"t":`...), int64(sent), 10)
}

// beat sends the next heartbeat: a patch when it is time for one. It says
// whether there was one to send.
func (m *member) beat(due time.Duration, patching bool) bool {
	if !m.talks {
		return false
	}
	o := opHeartbeat
	if patching {
		m.sending.Lock()
		if m.credit += m.run.cfg.PatchShare; m.credit > 1-1e-9 {
			m.credit--
			o = opPatch
		}
		m.sending.Unlock()
	}
	return m.send(request{op: o, due: due}) == nil
}

// expire counts requests that have waited since before the limit as errors.
func (m *member) expire(limit time.Duration) (expired int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.pending {
		if q := &m.pending[i]; !q.late && q.due < limit {
			q.late = true
			expired++
			m.run.pending.Add(-1)
			m.run.fail(errTimeout, "%s: %s of %s not answered within %v", m.user, opNames[q.op], m.room.name, m.run.cfg.AckTimeout)
		}
	}
	return expired
}
