package access

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// tlsConfigs are the configurations for the servers with the members and for
// Sentinels; nil means without TLS.
func (o *Options) tlsConfigs(l *Location) (data, sentinels *tls.Config, err error) {
	if o.TLS != nil && (l.caFile != "" || l.certFile != "" || l.serverName != "" || l.skipVerify) {
		return nil, nil, errors.New("redis: Options.TLS and the TLS parameters of Options.URL exclude each other")
	}
	if o.TLS != nil && !l.tls && !l.sentinelTLS {
		return nil, nil, errors.New("redis: Options.TLS is set, but Options.URL does not begin with rediss://")
	}
	if !l.tls && !l.sentinelTLS {
		return nil, nil, nil
	}
	c := o.TLS
	if c == nil {
		if c, err = l.tlsConfig(); err != nil {
			return nil, nil, fmt.Errorf("redis: Options.URL: %w", err)
		}
	}
	if l.tls {
		data = c
	}
	if l.sentinelTLS {
		sentinels = c
	}
	return data, sentinels, nil
}

func (l *Location) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: l.serverName, InsecureSkipVerify: l.skipVerify}
	if l.caFile != "" {
		text, err := os.ReadFile(l.caFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: %s has no certificate in PEM form", l.caFile)
		}
	}
	if l.certFile != "" {
		pair, err := tls.LoadX509KeyPair(l.certFile, l.keyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file, key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// ForHost is the configuration to talk to a host. Unless the configuration
// names the server, its certificate must be valid for that host or for the one
// in the URL: nodes of a cluster often go by addresses that no certificate has,
// and each may have a certificate of its own as well.
func ForHost(c *tls.Config, host, inURL string) *tls.Config {
	c = c.Clone()
	if c.ServerName != "" {
		return c
	}
	c.ServerName = host
	if c.InsecureSkipVerify || host == inURL || inURL == "" {
		return c
	}
	if net.ParseIP(host) != nil {
		c.ServerName = inURL // what the server is told to be
	}
	further := c.VerifyConnection
	roots := c.RootCAs
	c.InsecureSkipVerify = true // what it would check is checked here
	c.VerifyConnection = func(state tls.ConnectionState) error {
		err := verify(&state, roots, host)
		if err != nil && verify(&state, roots, inURL) != nil {
			return err
		}
		if further != nil {
			return further(state)
		}
		return nil
	}
	return c
}

// verify checks the certificate of a server as TLS does by default.
func verify(state *tls.ConnectionState, roots *x509.CertPool, name string) error {
	chain := state.PeerCertificates
	if len(chain) == 0 {
		return errors.New("the server has no certificate")
	}
	options := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(options)
	return err
}
