package engineio

import (
	"sync"
	"sync/atomic"
	"time"
)

// Handler receives what happens to one session. No two of its methods run at the same time. One
// that panics is logged with its stack, and ends its session with [ReasonInternalError].
//
// A Handler that also has a method Identity() string, which must not block and may be called at any
// time, is asked by it whose session it is, for log lines about clients that were too slow.
type Handler interface {
	// HandleMessage is called for each message, in order, on the goroutine that reads the
	// connection. The data is only valid during the call; unless it is binary, it is valid UTF-8.
	// It must not block for long, since nothing else of this session is read meanwhile.
	HandleMessage(data []byte, binary bool)
	// HandleClose is called exactly once, after the last HandleMessage.
	HandleClose(reason Reason)
}

// Session is one client's connection, whatever its transport. Its methods are safe for concurrent
// use, and none of them blocks.
//
// There are many sessions and most of them are idle, so the struct is small and everything that is
// only needed while bytes move is borrowed.
type Session struct {
	srv     *Server
	flusher *flusher
	info    string // the session id, then what Request parses
	handler Handler
	last    atomic.Int64           // when the last inbound packet came, on the server's clock
	wake    atomic.Pointer[func()] // called at the next inbound packet; nil usually
	state   atomic.Int32           // of type state; written under mu

	mu       sync.Mutex
	carrier  carrier
	out      *frameQueue   // frames that wait; nil when none do
	outBytes int           // bytes of out and of what is being written
	big      *bigMessage   // the one among them that is no backlog; nil when there is none
	due      time.Duration // when the alarm rings: the heartbeat's; after Close, the wait for the client
	reason   Reason        // once state has left open

	turn     bool // the handler is in use: a read turn, or for good by HandleClose
	inline   bool // what is queued leaves at the end of the turn
	told     bool // HandleClose was called, or is about to be
	heals    bool // see SetHeals
	dirty    bool // on the flusher's list
	writing  bool // a goroutine is writing, and looks at out afterwards
	awaiting bool // a ping was sent, its pong has not come
	base64   bool // the client asked for binary messages as text on its WebSocket

	alarm int32 // place among the server's alarms, from 1; 0: none. Theirs
}

type state int32

const (
	stateOpen    state = iota
	stateClosing       // nothing goes in or out any more but what is queued, a goodbye at its end
	stateClosed        // the connection is given up
)

// carrier is what a session's transport does for it.
type carrier interface {
	transport() Transport
	// flush sends what is queued, or lets another goroutine do so. It does not block.
	flush()
	// lingers says whether a client can still be told goodbye. Called with the session's lock.
	lingers(reason Reason) bool
	// goodbye returns the last frame of a session that ends for reason.
	goodbye(reason Reason) *Frame
	// ended stops what is read for the session. Called with the session's lock when it is not
	// open any more.
	ended()
	// cut drops the connection. It does not block.
	cut()
}

const (
	idLen = 20 // characters of a session id
	// closeWait is how long a client may take to take what is queued, or to close in its turn,
	// before a closing connection is cut.
	closeWait = 3 * time.Second
)

// ID returns the session id. It is a secret between this client and the server: anybody who knows it
// can speak for the client.
func (s *Session) ID() string { return s.info[:idLen] }

// Transport returns the transport in use now; an upgrade changes it.
func (s *Session) Transport() Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.carrier.transport()
}

// LastPacket returns when the client last sent anything at all, pongs included.
func (s *Session) LastPacket() time.Time { return s.srv.start.Add(time.Duration(s.last.Load())) }

// OnNextPacket has f called once, when the client next sends anything at all, pongs included; f
// is called where that is read, and must neither block nor take a lock that is held while something
// is sent to the session. Several functions may wait; a session that ends calls none of them.
func (s *Session) OnNextPacket(f func()) {
	for {
		before := s.wake.Load()
		next := f
		if before != nil {
			next = func() { (*before)(); f() }
		}
		if s.wake.CompareAndSwap(before, &next) {
			return
		}
	}
}

// stamp notes that the client has sent something.
func (s *Session) stamp() {
	s.last.Store(int64(s.srv.now()))
	if s.wake.Load() != nil { // hardly ever
		s.callWaiting()
	}
}

// callWaiting calls the functions that wait for the next packet.
func (s *Session) callWaiting() {
	if f := s.wake.Swap(nil); f != nil {
		(*f)()
	}
}

// Queued returns how many bytes wait to be sent to this session, those that are being written
// included.
func (s *Session) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outBytes
}

func (s *Session) isOpen() bool { return state(s.state.Load()) == stateOpen }

// Send queues frames; those of one call are one message, and stay together and in order. It never
// blocks. Called while this session's HandleMessage runs, the frames leave when all that was read
// with the message is handled (see [Session.Wait]); otherwise at once or, while the server sends a lot,
// within about a millisecond.
//
// When more than MaxQueueBytes would wait, changes of the same subject are folded, and then those of
// a session that [Session.SetHeals] given up but for the newest; if that is not enough the session is
// closed. A message that is itself larger passes: see [Config].MaxLargeBytes. The errors are
// [ErrClosed], [ErrSlowConsumer] and [ErrTooLarge].
func (s *Session) Send(frames ...*Frame) error { return s.send(0, frames) }

// SendWithin is Send for a message that can wait: when more than limit bytes would wait with it, or
// another large message is on its way, nothing is queued and the error is [ErrFull]. A message of more
// than limit bytes passes when nothing waits.
func (s *Session) SendWithin(limit int, frames ...*Frame) error { return s.send(limit, frames) }

// send is both; a limit of 0 is none.
func (s *Session) send(limit int, frames []*Frame) error {
	size := 0
	for _, f := range frames {
		size += f.size()
	}
	s.mu.Lock()
	if !s.isOpen() {
		s.mu.Unlock()
		return ErrClosed
	}
	if len(frames) == 0 {
		s.mu.Unlock()
		return nil
	}
	if limit > 0 && !s.roomFor(size, limit) {
		s.mu.Unlock()
		return ErrFull
	}
	if err := s.offer(size, frames); err != nil {
		s.mu.Unlock()
		if err == ErrSlowConsumer {
			s.abort(ReasonSlowConsumer)
		}
		return err
	}
	s.unlock()
	return nil
}

// Closed reports whether the session is closed or closing.
func (s *Session) Closed() bool { return !s.isOpen() }

// endCheck is how often a HandleMessage that waits looks whether its session has ended.
const endCheck = 100 * time.Millisecond

// Wait lets a HandleMessage wait until done is closed, but no longer than most; 0 is no bound. What is
// queued for the client leaves before, and frames sent during the rest of the call leave at once. Nothing
// of the client is read meanwhile; it counts as heard when Wait returns. Wait reports false when the
// session has ended, which HandleClose tells only after HandleMessage has returned.
func (s *Session) Wait(done <-chan struct{}, most time.Duration) bool {
	s.mu.Lock()
	s.letGo()
	s.unlock()
	defer s.stamp()
	check := time.NewTicker(endCheck)
	defer check.Stop()
	var over <-chan time.Time // nil: never
	if most > 0 {
		limit := time.NewTimer(most)
		defer limit.Stop()
		over = limit.C
	}
	for {
		select {
		case <-done:
			return true
		case <-over:
			return true
		case <-check.C:
			if s.Closed() {
				return false
			}
		}
	}
}

// enqueue appends frames of size wire bytes. Called with the lock.
func (s *Session) enqueue(size int, frames ...*Frame) {
	if s.out == nil {
		s.out = s.srv.pools.queue()
	}
	if s.out.empty() {
		s.out.held = s.inline
	}
	s.out.add(frames...)
	s.out.fresh += size
	s.outBytes += size
	if s.base64 {
		s.outBytes += s.out.asText(len(s.out.frames) - len(frames))
	}
}

// letGo sends what is queued at once, although the turn goes on. Called with the lock.
func (s *Session) letGo() {
	s.inline = false
	if s.out != nil {
		s.out.held = false
	}
}

// unlock gives the lock back after something was queued. Where the session is to be flushed, the caller
// does it while flushes are few, else the flush loop, together with those that wait for it.
func (s *Session) unlock() {
	if s.unlockDirty() && !s.srv.cork.add(s) {
		s.flushSoon()
	}
}

// flushSoon has the session flushed after unlockDirty has reported true: at once, or by the flush loop.
func (s *Session) flushSoon() {
	switch {
	case s.flusher.join(s):
	case s.srv.pace.few(s.srv.now()):
		s.flushDirty()
	default:
		s.flusher.add(s)
	}
}

// unlockDirty gives the lock back, and reports whether the caller must see to it that the session is
// flushed.
func (s *Session) unlockDirty() bool {
	flush := s.out != nil && !s.inline && !s.writing && !s.dirty
	if flush {
		s.dirty = true
	}
	s.mu.Unlock()
	return flush
}

// flushDirty flushes the session after unlockDirty has reported true.
func (s *Session) flushDirty() {
	s.mu.Lock()
	s.dirty = false
	c := s.carrier
	s.mu.Unlock()
	c.flush()
}

// beginWriting makes the caller the writer of what is queued, and returns the first bytes of it as
// next does; nil when there is nothing to write, or another goroutine writes, or the frames are meant
// for the end of the turn. The writer is counted, as the flush loop that it may run on is not: it must
// call done, or hand its count on.
func (s *Session) beginWriting(buf []byte) (p []byte, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil || s.writing || s.inline {
		return nil, false
	}
	if p, more = s.next(buf); p != nil {
		s.writing = true
		s.srv.tasks.Add(1) // a session with a queue is not closed, so Close is still waiting
	}
	return p, more
}

// next takes the next bytes for the session's writer to write, into buf or uncopied; nil when there are
// none. What is left stays queued, so that it can still be folded; more tells whether there is any.
// Called with the lock.
func (s *Session) next(buf []byte) (p []byte, more bool) {
	for q := s.out; q != nil && !q.held; {
		p = q.chunk(buf)
		if p == nil {
			if mark := q.mark(); mark != nil {
				s.pass(mark)
				continue
			}
		}
		if q.empty() {
			s.out = nil
			s.srv.pools.putQueue(q)
		}
		break
	}
	return p, s.out != nil
}

// wrote notes that n bytes have left, without ending the writer's role.
func (s *Session) wrote(n int) {
	s.mu.Lock()
	s.left(n)
	s.mu.Unlock()
}

// left is wrote with the lock held.
func (s *Session) left(n int) {
	s.outBytes -= n
	if s.big != nil && s.big.begun {
		s.big.exempt = max(0, s.big.exempt-n)
	}
}

// passAll passes marks that the writer of a polling payload has come by.
func (s *Session) passAll(marks []*Frame) {
	if len(marks) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mark := range marks {
		s.pass(mark)
	}
}

// beginTurn claims the handler for the calling goroutine; false when the session is not open. Only
// a session's reader calls it, so no other goroutine is in a turn.
func (s *Session) beginTurn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isOpen() {
		return false
	}
	s.turn, s.inline = true, true
	return true
}

// endTurn sends what the turn has queued, and delivers a close that came during it.
func (s *Session) endTurn() {
	s.mu.Lock()
	s.letGo()
	pending, c := s.out != nil, s.carrier
	tell := !s.isOpen() && !s.told
	if tell {
		s.told = true
	} else {
		s.turn = false
	}
	reason := s.reason
	s.mu.Unlock()
	if pending {
		c.flush()
	}
	if tell {
		s.tell(reason)
	}
}

// Close closes the session. What is queued is still sent, then the close packet of the transport;
// Send fails from now on, and HandleClose follows on another goroutine. It does not block.
func (s *Session) Close(reason Reason) { s.finish(reason, nil) }

// shutDown is Close by the server. A session that its client has closed is kept only for a poll that
// may have crossed with that: no client is left to wait for.
func (s *Session) shutDown() {
	s.mu.Lock()
	poll, polling := s.carrier.(*pollCarrier)
	left := polling && poll.left && !poll.getting
	s.mu.Unlock()
	if left {
		s.abort(ReasonShutdown)
		return
	}
	s.Close(ReasonShutdown)
}

// finish closes the session; goodbye is its last frame, nil for that of the transport. Where
// the client cannot be told any more, it aborts.
func (s *Session) finish(reason Reason, goodbye *Frame) {
	s.mu.Lock()
	if !s.isOpen() {
		s.mu.Unlock()
		return
	}
	if !s.carrier.lingers(reason) {
		s.mu.Unlock()
		s.abort(reason)
		return
	}
	s.leaveOpen(stateClosing, reason)
	if goodbye == nil {
		goodbye = s.carrier.goodbye(reason)
	}
	s.enqueue(len(goodbye.wire), goodbye)
	s.arm(closeWait)
	s.unlock()
}

// abort ends the session at once; what is queued is lost. After finish, it is its second half.
func (s *Session) abort(reason Reason) {
	s.mu.Lock()
	switch state(s.state.Load()) {
	case stateClosed:
		s.mu.Unlock()
		return
	case stateOpen:
		s.leaveOpen(stateClosed, reason)
	default:
		s.state.Store(int32(stateClosed))
	}
	s.srv.alarms.remove(s)
	s.out = nil
	s.dropBig()
	c := s.carrier
	s.mu.Unlock()
	c.cut()
	s.srv.remove(s)
}

// leaveOpen makes the one transition out of stateOpen, and sees to HandleClose. Called with the lock.
func (s *Session) leaveOpen(to state, reason Reason) {
	s.state.Store(int32(to))
	s.reason = reason
	s.srv.open.Add(-1)
	s.carrier.ended()
	if s.turn {
		return // endTurn will tell
	}
	s.turn, s.told = true, true
	s.srv.spawn(func() { s.tell(reason) })
}
