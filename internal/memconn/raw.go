package memconn

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

var errNoDescriptor = errors.New("memconn: a connection in memory has no descriptor")

// raw is the near end as a rawio.Conn.
type raw Conn

// Control implements syscall.RawConn.
func (r *raw) Control(func(fd uintptr)) error { return errNoDescriptor }

// Read implements rawio.Conn.
func (r *raw) Read(f func(fd uintptr) bool) error {
	r.reads.Lock()
	defer r.reads.Unlock()
	for {
		if err := r.over(&r.readLimit); err != nil {
			return err
		}
		if f(0) {
			return nil
		}
		r.mu.Lock()
		for len(r.fed) == 0 && !r.hungUp && !r.closed && !r.readLimit.passed {
			r.changed.Wait()
		}
		r.mu.Unlock()
	}
}

// Write implements rawio.Conn.
func (r *raw) Write(f func(fd uintptr) bool) error {
	r.writes.Lock()
	defer r.writes.Unlock()
	for {
		if err := r.over(&r.writeLimit); err != nil {
			return err
		}
		if f(0) {
			return nil
		}
		r.mu.Lock()
		for r.full && !r.hungUp && !r.shut && !r.writeLimit.passed {
			r.changed.Wait()
		}
		r.mu.Unlock()
	}
}

// over says why no more can be read or written, if that is so.
func (r *raw) over(l *limit) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return net.ErrClosed
	case l.passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// TryRead implements rawio.Conn.
func (r *raw) TryRead(_ uintptr, p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return 0, net.ErrClosed
	case len(r.fed) == 0 && r.hungUp:
		return 0, io.EOF
	}
	n := copy(p, r.fed)
	r.fed = r.fed[:copy(r.fed, r.fed[n:])]
	if len(r.fed) == 0 && cap(r.fed) > keptFed {
		r.fed = nil
	}
	return n, nil
}

// TryWrite implements rawio.Conn.
func (r *raw) TryWrite(_ uintptr, p []byte) (int, error) {
	r.mu.Lock()
	resumes, full, gone := r.resumes, r.full, r.hungUp || r.shut
	r.mu.Unlock()
	switch {
	case gone:
		return 0, syscall.EPIPE
	case full || len(p) == 0:
		return 0, nil
	}
	n := r.far.Receive(p)
	if n < len(p) {
		r.mu.Lock()
		r.full = r.resumes == resumes
		r.mu.Unlock()
	}
	return n, nil
}
