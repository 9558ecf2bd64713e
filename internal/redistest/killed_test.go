//go:build unix

package redistest_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

const killedVariable = "REDISTEST_KILLED"

// What a killed test has started ends, and its files go.
func TestKilledTest(t *testing.T) {
	if os.Getenv(killedVariable) != "" {
		s := redistest.Start(t)
		fmt.Println("runs at", s.Addr)
		select {}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledTest$")
	cmd.Env = append(os.Environ(), killedVariable+"=1", "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	addr := strings.Fields(line)[2]
	c, err := net.Dial("tcp", addr)
	must(t, err)
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Fatalf("files %v %v", list, err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	must(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server runs on")
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(pollTime) {
		list, err := os.ReadDir(dir)
		must(t, err)
		if len(list) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %v", list)
		}
	}
}

const pollTime = 10 * time.Millisecond
