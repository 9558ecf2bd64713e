package redistest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/guard"
)

const (
	// ready bounds the wait for a server to answer.
	ready = 10 * time.Second
	// tries is how often another port is tried when somebody else took one.
	tries = 5
)

// Server is a redis-server process. Its methods that start, stop or signal the
// process must not be called at the same time; Do may be.
type Server struct {
	// Addr is host:port, the same for as long as the server is not closed.
	Addr string
	// Pid is the process id; that of the last process while it is stopped.
	Pid int

	path, dir      string
	args           []string
	cmd            *exec.Cmd // nil while it is stopped
	paused, closed bool
	guard          *guard.Guard
}

// Launch runs a redis-server with the given further arguments and waits until
// it answers. It writes nothing to disk by itself. Close it.
func Launch(args ...string) (*Server, error) {
	return launch(func(port, dir string) ([]string, error) {
		return append(plainArgs(port, dir), args...), nil
	})
}

func plainArgs(port, dir string) []string {
	return []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir}
}

// launch runs a redis-server with the arguments that are made for its port and
// folder.
func launch(arguments func(port, dir string) ([]string, error)) (*Server, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	for range tries {
		var s *Server
		if s, err = launchOnce(path, arguments); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("start redis-server: %w", err)
}

func launchOnce(path string, arguments func(port, dir string) ([]string, error)) (*Server, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "redistest-")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), path: path, dir: dir}
	if s.guard, err = guard.New(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if s.args, err = arguments(port, dir); err == nil {
		err = s.run()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// URL is the address as a redis:// URL.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Stop kills the server, frozen or not, and waits until it is gone. StartEmpty
// or StartWithData bring it back.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.guard.Watch(0)
	s.cmd, s.paused = nil, false
}

// Stopped says whether the process was stopped.
func (s *Server) Stopped() bool { return s.cmd == nil }

// Close stops the server for good and removes what it wrote. It may be called
// more than once.
func (s *Server) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.Stop()
	s.guard.End()
}

// StartEmpty kills the server if it runs, and starts it again at the same
// address without any data. A member of a cluster still knows the others.
func (s *Server) StartEmpty() error {
	s.Stop()
	for _, name := range []string{"dump.rdb", "appendonlydir"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			return fmt.Errorf("restart redis-server %s: %w", s.Addr, err)
		}
	}
	return s.restarted(s.run())
}

// StartWithData saves the data of a server that runs and kills it, then starts
// it again at the same address with the data last saved.
func (s *Server) StartWithData() error {
	if s.cmd != nil && !s.paused {
		if err := s.Save(); err != nil {
			return s.restarted(err)
		}
	}
	s.Stop()
	return s.restarted(s.run())
}

// Save writes the data to disk, for StartWithData after a kill.
func (s *Server) Save() error {
	_, err := s.Do("SAVE")
	return err
}

func (s *Server) restarted(err error) error {
	if err != nil {
		return fmt.Errorf("restart redis-server %s: %w", s.Addr, err)
	}
	return nil
}

// Restart is StartEmpty for a test.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	check(tb, s.StartEmpty())
}

// Pause freezes the process: connections stay open, nothing is answered.
func (s *Server) Pause() error {
	if err := freeze(s.cmd); err != nil {
		return fmt.Errorf("pause redis-server %s: %w", s.Addr, err)
	}
	s.paused = true
	return nil
}

// Resume lets a frozen process go on.
func (s *Server) Resume() error {
	if err := thaw(s.cmd); err != nil {
		return fmt.Errorf("resume redis-server %s: %w", s.Addr, err)
	}
	s.paused = false
	return nil
}

// KillSubscribers cuts the connections that are subscribed to something, and
// returns how many there were.
func (s *Server) KillSubscribers() (int, error) {
	answer, err := s.text("CLIENT", "KILL", "TYPE", "pubsub")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(answer)
}

// answers says whether the process is to answer.
func (s *Server) answers() bool { return s.cmd != nil && !s.paused }

// run starts the process and waits until it answers.
func (s *Server) run() error {
	out, err := os.Create(filepath.Join(s.dir, "output"))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(s.path, s.args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.Pid = cmd, cmd.Process.Pid
	s.guard.Watch(s.Pid)
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = s.ping(); err == nil {
			return nil
		}
	}
	s.Stop()
	said, _ := os.ReadFile(out.Name())
	return fmt.Errorf("%s: not ready: %w; it said:\n%s", s.Addr, err, said)
}

// ping asks the server for its process id, so that no other server is taken
// for the one that was started. One that wants a password is believed.
func (s *Server) ping() error {
	info, err := s.text("INFO", "server")
	if err != nil && strings.Contains(err.Error(), "NOAUTH") {
		return nil
	}
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("process_id:%d\r\n", s.Pid); !strings.Contains(info, want) {
		return errors.New("not the server that was started")
	}
	return nil
}

// FreePort picks a port that nobody listens on. Systems take ports of 32768 and
// more for outgoing connections.
func FreePort() (port string, err error) {
	for range 100 {
		port = strconv.Itoa(10_000 + rand.IntN(22_000))
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			return port, l.Close()
		}
	}
	return "", err
}
