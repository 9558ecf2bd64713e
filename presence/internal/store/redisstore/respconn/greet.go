package respconn

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Config is how a connection begins, and when it is given up.
type Config struct {
	// Username, Password and ClientName are told to Redis unless they are empty; DB is selected unless
	// it is 0.
	Username, Password, ClientName string
	DB                             int
	// RESP2 has the connection speak the older protocol, as it also does with a server that has no
	// HELLO: it is for subscriptions only then.
	RESP2 bool
	// Stall is how long Redis may owe an answer. It is checked once a second.
	Stall time.Duration
}

// greet says who is there. Nothing else uses the connection yet.
func (c *Conn) greet(config *Config) error {
	if err := c.conn.SetDeadline(time.Now().Add(config.Stall)); err != nil {
		return err
	}
	err := c.hello(config)
	if refused, ok := errors.AsType[Error](err); ok && c.resp3 && noHello(string(refused)) {
		config.RESP2 = true
		err = c.hello(config)
	}
	if err == nil && config.DB != 0 {
		err = c.ask("SELECT", strconv.Itoa(config.DB))
	}
	return errors.Join(err, c.conn.SetDeadline(time.Time{}))
}

func noHello(answer string) bool {
	return strings.HasPrefix(answer, "ERR unknown command") || strings.HasPrefix(answer, "NOPROTO")
}

// hello authenticates and agrees on the protocol.
func (c *Conn) hello(config *Config) error {
	c.resp3 = !config.RESP2
	user := config.Username
	if user == "" {
		user = "default"
	}
	if c.resp3 {
		words := []string{"HELLO", "3"}
		if config.Password != "" {
			words = append(words, "AUTH", user, config.Password)
		}
		if config.ClientName != "" {
			words = append(words, "SETNAME", config.ClientName)
		}
		return c.ask(words...)
	}
	if config.Password != "" {
		if err := c.ask("AUTH", user, config.Password); err != nil {
			return err
		}
	}
	if config.ClientName != "" {
		return c.ask("CLIENT", "SETNAME", config.ClientName)
	}
	return nil
}

// ask sends a command and waits for its answer.
func (c *Conn) ask(words ...string) error {
	if _, err := c.conn.Write((&Command{Words: words}).appendTo(nil)); err != nil {
		return err
	}
	h, err := c.r.next()
	if err != nil {
		return unexpected(err)
	}
	if h.kind == '-' {
		return Error(h.text)
	}
	return c.r.skip(h, 0)
}
