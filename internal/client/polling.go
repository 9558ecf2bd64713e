package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// PollConn is one Socket.IO connection over HTTP long polling. One goroutine
// reads from it; Write and Close may be called from any.
type PollConn struct {
	web    *http.Client
	url    string // with the session's id
	ctx    context.Context
	cancel context.CancelCauseFunc
	rest   []byte // packets of the last answer that Next has not returned

	mu      sync.Mutex
	out     []byte // packets to send
	posting bool   // a goroutine is sending
}

// separator stands between the packets of a payload.
const separator = "\x1e"

// DialPolling connects to the default namespace of the server at target, an
// http://host:port, as a stock client does that knows no WebSocket. It gives up
// after 10 s. web carries the requests: two at a time for each connection.
func DialPolling(ctx context.Context, web *http.Client, target string) (*PollConn, error) {
	c := &PollConn{web: web, url: strings.TrimSuffix(target, "/") + "/socket.io/?EIO=4&transport=polling"}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	limit, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	stop := context.AfterFunc(limit, func() { c.cancel(limit.Err()) })
	defer stop()
	if err := c.open(); err != nil {
		c.Close()
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return c, nil
}

func (c *PollConn) open() error {
	p, err := c.Next()
	if err != nil {
		return err
	}
	var answer struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal(p.Body, &answer); err != nil || p.Kind != Open || answer.SID == "" {
		return fmt.Errorf("no handshake in %.200q", p.Body)
	}
	c.url += "&sid=" + answer.SID
	if err := c.Write([]byte("40")); err != nil {
		return err
	}
	if p, err = c.Next(); err == nil && p.Kind != Connect {
		err = fmt.Errorf("no answer to the connect packet in %.200q", p.Body)
	}
	return err
}

// Next reads one packet and blocks until there is one; pings are answered
// here. The packet is valid until the next read.
func (c *PollConn) Next() (Packet, error) { return next(c) }

// readText returns the next packet's text.
func (c *PollConn) readText() ([]byte, error) {
	for {
		for len(c.rest) == 0 {
			payload, err := c.do(http.MethodGet, nil)
			if err != nil {
				return nil, errors.Join(err, context.Cause(c.ctx))
			}
			c.rest = payload
		}
		var frame []byte
		frame, c.rest, _ = bytes.Cut(c.rest, []byte(separator))
		switch string(frame) {
		case "1":
			return nil, ErrClosed
		case "6":
			continue
		}
		return frame, nil
	}
}

// Write sends one packet, together with others if a request is under way. It
// does not wait; Next returns what went wrong.
func (c *PollConn) Write(packet []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	if len(c.out) > 0 {
		c.out = append(c.out, separator...)
	}
	c.out = append(c.out, packet...)
	if !c.posting {
		c.posting = true
		go c.post()
	}
	return nil
}

// post sends what there is to send, one request after the other.
func (c *PollConn) post() {
	for {
		c.mu.Lock()
		payload := c.out
		c.out = nil
		c.posting = len(payload) > 0
		c.mu.Unlock()
		if len(payload) == 0 {
			return
		}
		if _, err := c.do(http.MethodPost, payload); err != nil {
			c.cancel(err)
		}
	}
}

func (c *PollConn) do(method string, payload []byte) ([]byte, error) {
	q, err := http.NewRequestWithContext(c.ctx, method, c.url, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	response, err := c.web.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxFrame))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered with %s: %.200s", method, response.Status, body)
	}
	return body, err
}

// Close cuts the connection without a good-bye: the server finds out by its
// ping. It does not block.
func (c *PollConn) Close() {
	c.cancel(ErrClosed)
}
