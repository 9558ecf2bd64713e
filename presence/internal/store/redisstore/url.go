package redisstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// location is what a URL says.
type location struct {
	unix, tls          bool
	addrs              []string
	user, password     string
	db                 int
	masterSet          string
	sentinelUser       string
	sentinelPassword   string
	sentinelTLS        bool // true unless told otherwise: those of a rediss:// URL
	caFile, serverName string
	certFile, keyFile  string
	skipVerify         bool
	plain, resp2       bool
	clientName         string
	dialTimeout        time.Duration
}

// parameters are those that a URL may have; only addr may be repeated.
var parameters = []string{
	"addr", "ca_file", "cert_file", "client_name", "db", "dial_timeout", "key_file", "master_set", "protocol", "publish",
	"sentinel_password", "sentinel_tls", "sentinel_username", "server_name", "skip_verify",
}

// parseURL reads a URL. Its errors never quote a part that may hold a password.
func parseURL(text string) (*location, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it cannot be parsed; in a user or a password, write special characters as %23 for #, %2F for /, %3F for ?, %40 for @")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("its parameters cannot be parsed; write special characters as %26 for &, %25 for %, %3B for ;")
	}
	l := &location{user: u.User.Username()}
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
	if err := checkParameters(q); err != nil {
		return nil, err
	}
	for _, read := range []func(*url.URL, url.Values) error{l.readPlace, l.readDatabase, l.readSentinel, l.readTLS, l.readTuning} {
		if err := read(u, q); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func checkParameters(q url.Values) error {
	for name, values := range q {
		switch {
		case !slices.Contains(parameters, name):
			return fmt.Errorf("it has a parameter that is not known%s; there are %s", quoted(name), strings.Join(parameters, ", "))
		case len(values) > 1 && name != "addr":
			return fmt.Errorf("it has the parameter %s more than once", name)
		case slices.Contains(values, ""):
			return fmt.Errorf("its parameter %s is empty", name)
		}
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

func (l *location) readPlace(u *url.URL, q url.Values) error {
	if l.unix {
		if u.Host != "" || len(u.Path) < 2 {
			return errors.New("it must name a socket with three slashes: unix:///run/redis.sock")
		}
		if q.Has("addr") || q.Has("master_set") {
			return errors.New("a unix:// URL names one Redis: addr and master_set do not go with it")
		}
		l.addrs = []string{u.Path}
		return nil
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = "localhost"
	}
	if port == "" {
		port = "6379"
	}
	l.addrs = []string{net.JoinHostPort(host, port)}
	l.addrs = append(l.addrs, q["addr"]...)
	for _, addr := range l.addrs {
		h, p, err := net.SplitHostPort(addr)
		n, numeric := strconv.ParseUint(p, 10, 16)
		if err != nil || h == "" || numeric != nil || n == 0 {
			return errors.New("each of its addresses must be a host and a port from 1 to 65535, as in addr=host:6379")
		}
	}
	return nil
}

func (l *location) readDatabase(u *url.URL, q url.Values) error {
	text := strings.TrimPrefix(u.Path, "/")
	if l.unix {
		text = ""
	}
	if text != "" && q.Has("db") {
		return errors.New("it names the database twice, in its path and as db")
	}
	if q.Has("db") {
		text = q.Get("db")
	}
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return errors.New("its database must be a number from 0 to 65535; in a password, write / as %2F")
	}
	l.db = int(n)
	return nil
}

func (l *location) readSentinel(_ *url.URL, q url.Values) (err error) {
	l.masterSet = q.Get("master_set")
	l.sentinelUser, l.sentinelPassword = q.Get("sentinel_username"), q.Get("sentinel_password")
	l.sentinelTLS = l.tls
	if l.masterSet == "" {
		for _, name := range []string{"sentinel_username", "sentinel_password", "sentinel_tls"} {
			if q.Has(name) {
				return fmt.Errorf("%s is for Sentinels: name what they watch with master_set", name)
			}
		}
		return nil
	}
	if l.sentinelUser != "" && l.sentinelPassword == "" {
		return errors.New("sentinel_username needs a sentinel_password")
	}
	if q.Has("sentinel_tls") {
		l.sentinelTLS, err = readBool(q, "sentinel_tls")
	}
	return err
}

func (l *location) readTLS(_ *url.URL, q url.Values) (err error) {
	l.caFile, l.certFile, l.keyFile = q.Get("ca_file"), q.Get("cert_file"), q.Get("key_file")
	l.serverName = q.Get("server_name")
	if q.Has("skip_verify") {
		if l.skipVerify, err = readBool(q, "skip_verify"); err != nil {
			return err
		}
	}
	switch {
	case l.tls || l.sentinelTLS:
	case q.Has("ca_file") || q.Has("cert_file") || q.Has("key_file") || q.Has("server_name") || q.Has("skip_verify"):
		return errors.New("ca_file, cert_file, key_file, server_name and skip_verify are for TLS: the URL must begin with rediss://")
	}
	switch {
	case (l.certFile == "") != (l.keyFile == ""):
		return errors.New("cert_file and key_file must be given together")
	case l.skipVerify && (l.caFile != "" || l.serverName != ""):
		return errors.New("skip_verify does not go with ca_file or server_name: there is nothing to check then")
	}
	return nil
}

func (l *location) readTuning(_ *url.URL, q url.Values) error {
	l.clientName = q.Get("client_name")
	if strings.ContainsFunc(l.clientName, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("client_name must be of printable ASCII characters, without spaces")
	}
	switch q.Get("publish") {
	case "":
	case "plain":
		l.plain = true
	default:
		return errors.New("publish can only be plain")
	}
	switch q.Get("protocol") {
	case "", "3":
	case "2":
		l.resp2 = true
	default:
		return errors.New("protocol can only be 2 or 3")
	}
	if q.Has("dial_timeout") {
		d, err := time.ParseDuration(q.Get("dial_timeout"))
		if err != nil || d < minDialTime || d > maxDialTime {
			return fmt.Errorf("dial_timeout must be from %v to %v, with its unit", minDialTime, maxDialTime)
		}
		l.dialTimeout = d
	}
	return nil
}

func readBool(q url.Values, name string) (bool, error) {
	switch q.Get(name) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%s must be true or false", name)
}

// clientOption is what the client library needs of it. TLS is not its matter.
func (l *location) clientOption() rueidis.ClientOption {
	return rueidis.ClientOption{
		InitAddress: l.addrs,
		Username:    l.user, Password: l.password,
		SelectDB: l.db, ClientName: l.clientName, AlwaysRESP2: l.resp2,
		Sentinel: rueidis.SentinelOption{
			MasterSet: l.masterSet, Username: l.sentinelUser, Password: l.sentinelPassword, ClientName: l.clientName,
		},
	}
}
