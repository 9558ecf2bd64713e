// Package redistest starts real redis-server processes for tests.
package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// ready bounds the wait for a server to answer.
const ready = 10 * time.Second

// Server is a running redis-server on a free port of 127.0.0.1. It keeps
// nothing on disk.
type Server struct {
	// Addr is host:port.
	Addr string
	// Pid is the process id, for signals such as SIGSTOP.
	Pid int

	cmd *exec.Cmd
}

// Start runs a redis-server with the given further arguments, waits until it
// answers, and stops it when the test ends. A missing redis-server fails the
// test: it is needed, and a skipped test proves nothing.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Fatalf("redis-server is not installed (apt-get install redis-server): %v", err)
	}
	var s *Server
	for range 5 { // another process may take the port in between
		if s, err = start(path, tb.TempDir(), args); err == nil {
			tb.Cleanup(s.Stop)
			return s
		}
	}
	tb.Fatalf("start redis-server: %v", err)
	return nil
}

// URL is the address as a redis:// URL.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Stop kills the server, stalled or not, and waits until it is gone.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func start(path, dir string, args []string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, append([]string{
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir,
	}, args...)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), Pid: cmd.Process.Pid, cmd: cmd}
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = ping(s.Addr, cmd.Process.Pid); err == nil {
			return s, nil
		}
	}
	s.Stop()
	return nil, fmt.Errorf("%s: not ready: %w; it said:\n%s", s.Addr, err, out.String())
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// ping asks the server for its process id, so that no other server is taken
// for the one that was started.
func ping(addr string, pid int) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("INFO server\r\n")); err != nil {
		return err
	}
	want := fmt.Sprintf("process_id:%d", pid)
	for in := bufio.NewScanner(c); in.Scan(); {
		switch line := in.Text(); {
		case line == want:
			return nil
		case strings.HasPrefix(line, "-"), strings.HasPrefix(line, "process_id:"):
			return fmt.Errorf("answered %q, want %q", line, want)
		}
	}
	return fmt.Errorf("no process id in its answer")
}
