package access

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/respconn"
	"github.com/redis/rueidis"
)

// Location is what a URL says.
type Location struct {
	unix, tls          bool
	addrs              []string
	user, password     string
	db                 int
	MasterSet          string
	sentinelUser       string
	sentinelPassword   string
	sentinelTLS        bool // true unless told otherwise: those of a rediss:// URL
	caFile, serverName string
	certFile, keyFile  string
	skipVerify         bool
	Plain, resp2       bool
	clientName         string
	dialTimeout        time.Duration
}

// parseURL reads a URL. Its errors never quote a part that may hold a password.
func parseURL(text string) (*Location, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it cannot be parsed; in a user or a password, write special characters as %23 for #, %2F for /, %3F for ?, %40 for @")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("its parameters cannot be parsed; write special characters as %26 for &, %25 for %, %3B for ;")
	}
	l := &Location{user: u.User.Username()}
	l.password, _ = u.User.Password()
	switch u.Scheme {
	case "redis", "valkey":
	case "rediss", "valkeys":
		l.tls = true
	case "unix":
		l.unix = true
	default:
		return nil, errors.New("it must begin with redis://, rediss:// or unix://")
	}
	if u.Fragment != "" || u.Opaque != "" || strings.Contains(text, "#") {
		return nil, errors.New("it must have the form redis://user:password@host:port/db; in a password, write # as %23")
	}
	l.sentinelTLS = l.tls
	if err := cmp.Or(l.readParameters(q), l.readPlace(u, q), l.readDatabase(u, q), l.checkParameters(q)); err != nil {
		return nil, err
	}
	return l, nil
}

// readParameters reads what is behind the question mark, but for the place and the database.
func (l *Location) readParameters(q url.Values) error {
	known := map[string]func(value string) error{
		"addr": ignored, "db": ignored,
		"master_set": text(&l.MasterSet), "sentinel_username": text(&l.sentinelUser), "sentinel_password": text(&l.sentinelPassword),
		"sentinel_tls": truth(&l.sentinelTLS), "skip_verify": truth(&l.skipVerify),
		"ca_file": text(&l.caFile), "cert_file": text(&l.certFile), "key_file": text(&l.keyFile), "server_name": text(&l.serverName),
		"client_name":  text(&l.clientName),
		"publish":      choice(&l.Plain, "can only be plain", map[string]bool{"plain": true}),
		"protocol":     choice(&l.resp2, "can only be 2 or 3", map[string]bool{"2": true, "3": false}),
		"dial_timeout": l.readDialTimeout,
	}
	for name, values := range q {
		read := known[name]
		switch {
		case read == nil:
			return fmt.Errorf("it has a parameter that is not known%s; there are %s",
				quoted(name), strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		case len(values) > 1 && name != "addr":
			return fmt.Errorf("it has the parameter %s more than once", name)
		case slices.Contains(values, ""):
			return fmt.Errorf("its parameter %s is empty", name)
		}
		if err := read(values[0]); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
	}
	return nil
}

func ignored(string) error { return nil }

func text(to *string) func(string) error {
	return func(value string) error {
		*to = value
		return nil
	}
}

func truth(to *bool) func(string) error {
	return choice(to, "must be true or false", map[string]bool{"true": true, "1": true, "false": false, "0": false})
}

func choice(to *bool, says string, values map[string]bool) func(string) error {
	return func(value string) (err error) {
		is, ok := values[value]
		if *to = is; !ok {
			err = errors.New(says)
		}
		return err
	}
}

func (l *Location) readDialTimeout(value string) (err error) {
	if l.dialTimeout, err = time.ParseDuration(value); err != nil || l.dialTimeout < minDialTime || l.dialTimeout > maxDialTime {
		return fmt.Errorf("must be from %v to %v, with its unit", minDialTime, maxDialTime)
	}
	return nil
}

// quoted is a name for an error, unless it may be a piece of a password with a
// question mark in it.
func quoted(name string) string {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return " (write ? in a password as %3F)"
	}
	return ", " + name
}

func (l *Location) readPlace(u *url.URL, q url.Values) error {
	if l.unix {
		if u.Host != "" || len(u.Path) < 2 {
			return errors.New("it must name a socket with three slashes: unix:///run/redis.sock")
		}
		if q.Has("addr") || l.MasterSet != "" {
			return errors.New("a unix:// URL names one Redis: addr and master_set do not go with it")
		}
		l.addrs = []string{u.Path}
		return nil
	}
	l.addrs = append([]string{net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), "6379"))}, q["addr"]...)
	for _, addr := range l.addrs {
		h, p, err := net.SplitHostPort(addr)
		n, numeric := strconv.ParseUint(p, 10, 16)
		if err != nil || h == "" || numeric != nil || n == 0 {
			return errors.New("each of its addresses must be a host and a port from 1 to 65535, as in addr=host:6379")
		}
	}
	return nil
}

func (l *Location) readDatabase(u *url.URL, q url.Values) error {
	number := strings.TrimPrefix(u.Path, "/")
	if l.unix {
		number = ""
	}
	if number != "" && q.Has("db") {
		return errors.New("it names the database twice, in its path and as db")
	}
	number = cmp.Or(number, q.Get("db"), "0")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return errors.New("its database must be a number from 0 to 65535; in a password, write / as %2F")
	}
	l.db = int(n)
	return nil
}

// checkParameters refuses parameters that do not go together.
func (l *Location) checkParameters(q url.Values) error {
	has := func(names ...string) bool { return slices.ContainsFunc(names, q.Has) }
	switch {
	case l.MasterSet == "" && has("sentinel_username", "sentinel_password", "sentinel_tls"):
		return errors.New("sentinel_username, sentinel_password and sentinel_tls are for Sentinels: name what they watch with master_set")
	case l.sentinelUser != "" && l.sentinelPassword == "":
		return errors.New("sentinel_username needs a sentinel_password")
	case !l.tls && !l.sentinelTLS && has("ca_file", "cert_file", "key_file", "server_name", "skip_verify"):
		return errors.New("ca_file, cert_file, key_file, server_name and skip_verify are for TLS: the URL must begin with rediss://")
	case (l.certFile == "") != (l.keyFile == ""):
		return errors.New("cert_file and key_file must be given together")
	case l.skipVerify && (l.caFile != "" || l.serverName != ""):
		return errors.New("skip_verify does not go with ca_file or server_name: there is nothing to check then")
	case strings.ContainsFunc(l.clientName, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("client_name must be of printable ASCII characters, without spaces")
	}
	return nil
}

// clientOption is what the client library needs of it. TLS is not its matter.
func (l *Location) clientOption() rueidis.ClientOption {
	return rueidis.ClientOption{
		InitAddress: l.addrs,
		Username:    l.user, Password: l.password,
		SelectDB: l.db, ClientName: l.clientName, AlwaysRESP2: l.resp2,
		Sentinel: rueidis.SentinelOption{
			MasterSet: l.MasterSet, Username: l.sentinelUser, Password: l.sentinelPassword, ClientName: l.clientName,
		},
	}
}

// Greeting is how connections begin that the client library does not open.
func (l *Location) Greeting() respconn.Config {
	return respconn.Config{
		Username: l.user, Password: l.password, ClientName: l.clientName, DB: l.db, RESP2: l.resp2, Stall: StallTime,
	}
}
