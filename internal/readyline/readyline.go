// Package readyline reads the line with which a server says where it serves: the first
// one that it prints.
package readyline

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"time"
)

var pattern = regexp.MustCompile(`http://\S+`)

// URL is the URL in a line; "" if there is none.
func URL(line string) string { return pattern.FindString(line) }

// Await reads the first line that a started process prints, and returns the URL in it.
// out is the standard output of the process: what follows the line is lost. Await kills a
// process whose first line does not come in time or has no URL; the caller waits for its
// end.
func Await(cmd *exec.Cmd, out io.Reader, within time.Duration) (url string, err error) {
	late := time.AfterFunc(within, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if url = URL(line); url != "" {
		return url, nil
	}
	_ = cmd.Process.Kill()
	return "", errors.Join(fmt.Errorf("%s said %q within %v, and no URL", cmd.Path, line, within), err)
}
