//go:build unix

package main

import (
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/readyline"
)

// patience bounds each wait, so that a broken command fails its test.
const patience = 30 * time.Second

// process is a running command.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *stream
	stderr *stream
	exited chan struct{}
}

// start runs the command in an empty directory, with no environment but env.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startCommand(t, env, exec.Command(binary, args...))
}

func startCommand(t *testing.T, env []string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, stdout: newStream(), stderr: newStream(), exited: make(chan struct{})}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append([]string{"HOST=127.0.0.1", "PORT=0"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		p.stdout.end()
		p.stderr.end()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
	})
	return p
}

// url waits for the ready line.
func (p *process) url() string {
	p.t.Helper()
	line := p.stdout.await(p.t, "\n")
	url := readyline.URL(line)
	if url == "" {
		p.t.Fatalf("no URL on stdout: %q\nstderr: %s", line, p.stderr)
	}
	return url
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// signalUntilExit sends a signal again and again: those that come at once count
// as one.
func (p *process) signalUntilExit(s syscall.Signal) {
	p.t.Helper()
	for end := time.After(patience); ; {
		_ = p.cmd.Process.Signal(s) // fails when it has exited
		select {
		case <-p.exited:
			return
		case <-end:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// wantExit waits for the end and checks the exit code.
func (p *process) wantExit(code int) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("still running; stderr: %s", p.stderr)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("exit code %d, want %d; stderr: %s", got, code, p.stderr)
	}
}

// stream collects output and lets a test wait for a part of it.
type stream struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ended bool
	more  chan struct{} // closed and replaced on news
}

func newStream() *stream { return &stream{more: make(chan struct{})} }

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news()
	return s.text.Write(p)
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.news()
}

func (s *stream) news() {
	close(s.more)
	s.more = make(chan struct{})
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await returns the text so far as soon as it contains part, or has ended.
func (s *stream) await(t *testing.T, part string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		text, ended, more := s.text.String(), s.ended, s.more
		s.mu.Unlock()
		if ended || strings.Contains(text, part) {
			return text
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%q did not come; so far: %s", part, text)
		}
	}
}
