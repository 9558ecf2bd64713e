package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/readyline"
	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// server is a server under load in a process of its own.
type server struct {
	url   string
	cmd   *exec.Cmd
	redis *redistest.Server // nil without
}

// errMissing is a server that this machine cannot run.
var errMissing = errors.New("not installed")

// startTimeout bounds the wait for the line in which a server says where it serves.
const startTimeout = 15 * time.Second

func (b *bench) startRealtime() (*server, error) { return startRealtime(b.binary) }

// startRealtime starts a build of the command on a Redis of its own.
func startRealtime(binary string) (*server, error) {
	redis, err := redistest.Launch()
	if err != nil {
		return nil, err
	}
	s, err := startProcess([]string{"HOST=127.0.0.1", "PORT=0", "REDIS_URL=" + redis.URL(), "LOG_LEVEL=warn"}, binary, "serve")
	if err != nil {
		redis.Close()
		return nil, err
	}
	s.redis = redis
	return s, nil
}

// startMemory starts a build of the command with members in memory.
func startMemory(binary string) (*server, error) {
	return startProcess([]string{"HOST=127.0.0.1", "PORT=0", "LOG_LEVEL=warn"}, binary, "dev")
}

func startEcho() (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startProcess(nil, self, echoCommand)
}

func (b *bench) startNode() (*server, error) {
	path, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMissing, err)
	}
	if _, err := os.Stat(filepath.Join(b.node, "node_modules", "socket.io")); err != nil {
		return nil, fmt.Errorf("%w: run npm ci in %s", errMissing, b.node)
	}
	return startProcess([]string{"NODE_ENV=production"}, path, filepath.Join(b.node, "server.mjs"))
}

// startProcess starts a server and waits for its first line.
func startProcess(env []string, path string, args ...string) (*server, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	s := &server{cmd: cmd}
	if s.url, err = readyline.Await(cmd, out, startTimeout); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) redisPIDs() []int {
	if s.redis == nil {
		return nil
	}
	return []int{s.redis.Pid}
}

// close kills the processes: nothing they hold is worth a shutdown.
func (s *server) close() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	if s.redis != nil {
		s.redis.Close()
	}
}
