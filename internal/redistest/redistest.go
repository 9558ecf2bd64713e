// Package redistest starts real redis-server processes for tests.
package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
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

	cmd  *exec.Cmd
	path string
	args []string
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

// Restart kills the server and starts it again, empty, at the same address.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop()
	if err := s.run(); err != nil {
		tb.Fatalf("restart redis-server: %v", err)
	}
}

func start(path, dir string, args []string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), path: path, args: append([]string{
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir,
	}, args...)}
	return s, s.run()
}

// run starts the process and waits until it answers.
func (s *Server) run() error {
	var out strings.Builder
	s.cmd = exec.Command(s.path, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.Pid = s.cmd.Process.Pid
	var err error
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = s.ping(); err == nil {
			return nil
		}
	}
	s.Stop()
	return fmt.Errorf("%s: not ready: %w; it said:\n%s", s.Addr, err, out.String())
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
// for the one that was started. One that wants a password is believed.
func (s *Server) ping() error {
	info, err := s.ask("INFO", "server")
	if err != nil && strings.Contains(err.Error(), "NOAUTH") {
		return nil
	}
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("process_id:%d\r\n", s.Pid); !strings.Contains(info, want) {
		return fmt.Errorf("not the server that was started")
	}
	return nil
}

// ask sends one command and returns the text of its answer.
func (s *Server) ask(args ...string) (string, error) {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "%s\r\n", strings.Join(args, " ")); err != nil {
		return "", err
	}
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	switch line[0] {
	case '-':
		return "", fmt.Errorf("%s: %s", strings.Join(args, " "), line[1:])
	case '$':
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", fmt.Errorf("%s: answer %q", strings.Join(args, " "), line)
		}
		text := make([]byte, n)
		_, err = io.ReadFull(in, text)
		return string(text), err
	}
	return line[1:], nil
}
