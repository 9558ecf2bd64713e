//go:build unix

package redisstore

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/redis/rueidis"
)

// authority issues certificates, each in files of its own.
type authority struct {
	t    *testing.T
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

type pair struct{ cert, key string }

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	self := a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.file = self.cert
	return a
}

// server issues a certificate for hosts, names or addresses.
func (a *authority) server(hosts ...string) pair {
	c := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	return a.issue(c)
}

func (a *authority) client() pair {
	return a.issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// issue completes a certificate and signs it; the first one signs itself.
func (a *authority) issue(c *x509.Certificate) pair {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	must(a.t, err)
	c.Subject = pkix.Name{CommonName: "test " + c.SerialNumber.String()}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.cert == nil {
		a.cert, a.key = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	must(a.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	dir := a.t.TempDir()
	p := pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	must(a.t, os.WriteFile(p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(a.t, os.WriteFile(p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return p
}

// params are the parameters of a URL.
func params(list ...string) string {
	q := url.Values{}
	for i := 0; i < len(list); i += 2 {
		q.Set(list[i], list[i+1])
	}
	return "?" + q.Encode()
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := redistest.FreePort()
	must(t, err)
	return port
}

// use opens a store and has it write, publish and hear.
func use(t *testing.T, o Options) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	heard, conn := listen(t, s, "r"), rand.Text()
	_, err = store.PutAndWait(t.Context(), s, join("r", conn))
	must(t, err)
	heard.next(t, "event "+conn)
	must(t, s.Close(t.Context()))
	return nil
}

// Each URL has authorities and a client certificate of its own.
func TestTLSOfOneURL(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	server, client := ca.server("127.0.0.1"), ca.client()
	port := freePort(t)
	redistest.Start(t, "--tls-port", port, "--tls-auth-clients", "yes",
		"--tls-cert-file", server.cert, "--tls-key-file", server.key, "--tls-ca-cert-file", ca.file)
	base := "rediss://127.0.0.1:" + port
	withClient := []string{"cert_file", client.cert, "key_file", client.key}
	keys, err := tls.LoadX509KeyPair(client.cert, client.key)
	must(t, err)
	pool := x509.NewCertPool()
	text, err := os.ReadFile(ca.file)
	must(t, err)
	pool.AppendCertsFromPEM(text)

	for name, o := range map[string]Options{
		"parameters":     {URL: base + params(append(withClient, "ca_file", ca.file)...)},
		"no check":       {URL: base + params(append(withClient, "skip_verify", "true")...)},
		"option":         {URL: base, TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{keys}}},
		"named in TLS":   {URL: base, TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{keys}, ServerName: "127.0.0.1"}},
		"name in params": {URL: "rediss://localhost:" + port + params(append(withClient, "ca_file", ca.file, "server_name", "127.0.0.1")...)},
	} {
		if err := use(t, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	foreign := other.client()
	for name, o := range map[string]Options{
		"authority of the system":    {URL: base + params(withClient...)},
		"another authority":          {URL: base + params(append(withClient, "ca_file", other.file)...)},
		"no client certificate":      {URL: base + params("ca_file", ca.file)},
		"foreign client certificate": {URL: base + params("ca_file", ca.file, "cert_file", foreign.cert, "key_file", foreign.key)},
		"another name":               {URL: base + params(append(withClient, "ca_file", ca.file, "server_name", "example.com")...)},
		"no authority in the file":   {URL: base + params(append(withClient, "ca_file", client.key)...)},
		"no file":                    {URL: base + params("ca_file", "/nothing")},
		"key of another certificate": {URL: base + params("cert_file", client.cert, "key_file", foreign.key)},
		"both":                       {URL: base + params("ca_file", ca.file), TLS: &tls.Config{}},
		"TLS without TLS":            {URL: "redis://127.0.0.1:1", TLS: &tls.Config{}},
	} {
		if err := use(t, o); err == nil {
			t.Errorf("%s: is taken", name)
		} else if name == "no file" && !strings.Contains(err.Error(), "ca_file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A certificate is good for the host that is dialled or for the one in the URL,
// and for no other.
func TestNamesOfServers(t *testing.T) {
	ca := newAuthority(t)
	text, err := os.ReadFile(ca.file)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	for _, c := range []struct {
		cert, dialled, inURL, named string
		good                        bool
	}{
		{"a.example", "a.example", "a.example", "", true},
		{"b.example", "b.example", "a.example", "", true},
		{"a.example", "b.example", "a.example", "", true},
		{"a.example", "10.0.0.1", "a.example", "", true},
		{"10.0.0.1", "10.0.0.1", "a.example", "", true},
		{"c.example", "b.example", "a.example", "", false},
		{"c.example", "10.0.0.1", "10.0.0.2", "", false},
		{"c.example", "b.example", "a.example", "c.example", true},
		{"b.example", "b.example", "b.example", "c.example", false},
	} {
		p := ca.server(c.cert)
		keys, err := tls.LoadX509KeyPair(p.cert, p.key)
		must(t, err)
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{keys}})
		must(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if far, err := l.Accept(); err == nil {
				_ = far.(*tls.Conn).Handshake() // the client says how it went
				_ = far.Close()
			}
		}()
		near, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		err = tls.Client(near, access.ForHost(&tls.Config{RootCAs: pool, ServerName: c.named}, c.dialled, c.inURL)).Handshake()
		if (err == nil) != c.good {
			t.Errorf("%+v: %v", c, err)
		}
		_, _ = near.Close(), l.Close()
		<-done
	}
}

// sentinelRights are what the user for Sentinels needs.
const sentinelRights = "+ping +subscribe +unsubscribe +sentinel|sentinels +sentinel|get-master-addr-by-name"

// Sentinels have a user and a password of their own.
func TestSentinelCredentials(t *testing.T) {
	t.Parallel()
	l := &access.Location{MasterSet: redistest.MasterSet}
	master := redistest.Start(t, append([]string{"--requirepass", "for-data", "--masterauth", "for-data", "--user", "presence", "on", ">pw"},
		strings.Fields(access.Rules("prs:", l.Commands(rueidis.ClientModeSentinel, false)))...)...)
	sentinel := redistest.StartSentinelFor(t, master.Addr,
		"sentinel auth-pass "+redistest.MasterSet+" for-data", "requirepass for-sentinels",
		"user watcher on >of-watcher &* -@all "+sentinelRights)
	base := "redis://:for-data@" + sentinel.Addr
	set := []string{"master_set", redistest.MasterSet}
	if got := documented(t, "their own user needs `"); !strings.HasPrefix(got, sentinelRights+"`") {
		t.Errorf("documented are %s", got)
	}
	for name, o := range map[string]Options{
		"limited user": {URL: "redis://presence:pw@" + sentinel.Addr + params(append(set, "sentinel_username", "watcher", "sentinel_password", "of-watcher")...)},
		"password":     {URL: base + params(append(set, "sentinel_password", "for-sentinels")...)},
		"user":         {URL: base + params(append(set, "sentinel_username", "watcher", "sentinel_password", "of-watcher")...)},
		"options":      {URL: base + params(set...), SentinelUsername: "watcher", SentinelPassword: "of-watcher"},
	} {
		if err := use(t, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, o := range map[string]Options{
		"none":                {URL: base + params(set...)},
		"that of the servers": {URL: base + params(append(set, "sentinel_password", "for-data")...)},
		"none for servers":    {URL: "redis://" + sentinel.Addr + params(append(set, "sentinel_password", "for-sentinels")...)},
	} {
		err := use(t, o)
		if err == nil || !strings.Contains(err.Error(), sentinel.Addr) || strings.Contains(err.Error(), "for-") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Sentinels and servers each speak TLS or not.
func TestSentinelTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	server := ca.server("127.0.0.1")
	files := []string{"tls-cert-file " + server.cert, "tls-key-file " + server.key, "tls-ca-cert-file " + ca.file, "tls-auth-clients no"}
	port, watchPort := freePort(t), freePort(t)
	master := redistest.Start(t, "--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", server.cert, "--tls-key-file", server.key, "--tls-ca-cert-file", ca.file)
	set := []string{"master_set", redistest.MasterSet, "ca_file", ca.file}

	plain := redistest.StartSentinelFor(t, master.Addr, append(files, "tls-port "+watchPort)...)
	securePort := freePort(t)
	secure := redistest.StartSentinelFor(t, "127.0.0.1:"+port, append(files, "tls-replication yes", "tls-port "+securePort)...)
	for name, u := range map[string]string{
		"only Sentinels": "redis://127.0.0.1:" + watchPort + params(append(set, "sentinel_tls", "true")...),
		"only servers":   "rediss://" + secure.Addr + params(append(set, "sentinel_tls", "false")...),
		"both":           "rediss://127.0.0.1:" + securePort + params(set...),
		"none":           "redis://" + plain.Addr + params(set[:2]...),
	} {
		if err := use(t, Options{URL: u}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
