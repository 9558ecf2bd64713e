package redisstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// A rediss:// URL is served if the certificate is that of the host, and
// trusted. On this system SSL_CERT_FILE says what is trusted.
func TestTLS(t *testing.T) {
	cert, key := certificate(t, net.IPv4(127, 0, 0, 1))
	t.Setenv("SSL_CERT_FILE", cert)
	port, err := redistest.FreePort()
	must(t, err)
	redistest.Start(t, "--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert)

	s, err := Open(t.Context(), Options{URL: "rediss://127.0.0.1:" + port})
	must(t, err)
	heard := listen(t, s, "r")
	_, err = store.PutAndWait(t.Context(), s, join("r", "c"))
	must(t, err)
	heard.next(t, "event c")
	must(t, s.Close(t.Context()))

	if s, err := Open(t.Context(), Options{URL: "rediss://localhost:" + port}); err == nil {
		_ = s.Close(t.Context())
		t.Error("a certificate of another host is good enough")
	}
}

// certificate makes one that is its own authority, and writes it to files.
func certificate(t *testing.T, ip net.IP) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{ip},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}
