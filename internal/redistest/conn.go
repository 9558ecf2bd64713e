package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// answerTime bounds a command.
const answerTime = 5 * time.Second

// Do sends one command on a connection of its own and returns the answer:
// arrays flat, numbers as text, nil as an empty text. It takes at most 5 s.
func (s *Server) Do(args ...string) ([]string, error) {
	list, err := s.ask(args)
	if err != nil {
		return nil, fmt.Errorf("redis-server %s: %s: %w", s.Addr, strings.Join(args[:min(len(args), 3)], " "), err)
	}
	return list, nil
}

// text is Do for a command that answers one text.
func (s *Server) text(args ...string) (string, error) {
	list, err := s.Do(args...)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0], nil
}

func (s *Server) ask(args []string) ([]string, error) {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return nil, err
	}
	cmd := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		cmd = fmt.Appendf(cmd, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := c.Write(cmd); err != nil {
		return nil, err
	}
	return readAnswer(bufio.NewReader(c), nil)
}

// readAnswer appends what was answered.
func readAnswer(in *bufio.Reader, list []string) ([]string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+', ':':
		return append(list, rest), nil
	case '-':
		return nil, errors.New(rest)
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return nil, fmt.Errorf("answer %q", line)
	}
	if kind == '*' {
		for range n {
			if list, err = readAnswer(in, list); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	if n < 0 {
		return append(list, ""), nil
	}
	text := make([]byte, n+2)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, err
	}
	return append(list, string(text[:n])), nil
}
