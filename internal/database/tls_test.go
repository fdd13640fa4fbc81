package database

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeCertificates writes ca.pem, a server's certificate for localhost that it
// signed, with its key, and other.pem, a CA that signed nothing.
func writeCertificates(dir string) error {
	write := func(name, kind string, der []byte) error {
		return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644)
	}
	template := func(name string, ca bool) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "localhost"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: ca, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
	}
	var caKey *ecdsa.PrivateKey
	var ca *x509.Certificate
	for _, name := range []string{"other.pem", "ca.pem"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		ca, caKey = template(name, true), key
		der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
		if err != nil {
			return err
		}
		if err := write(name, "CERTIFICATE", der); err != nil {
			return err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template("server", false), ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := write("server.pem", "CERTIFICATE", der); err != nil {
		return err
	}
	return write("server.key", "PRIVATE KEY", keyDER)
}

func TestMariaDBTLS(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_tls", "CREATE USER u_tls@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_tls.* TO u_tls@'%'")
	ca, other := filepath.Join(c.Dir(), "ca.pem"), filepath.Join(c.Dir(), "other.pem")
	for _, test := range []struct {
		name      string
		host      string // default 127.0.0.1, which the certificate is not for
		options   map[string]string
		encrypted bool
		refused   bool
	}{
		{name: "default", encrypted: true},
		{name: "false", options: map[string]string{"tls": "false"}},
		{name: "preferred", options: map[string]string{"tls": "preferred"}, encrypted: true},
		{name: "skip-verify", options: map[string]string{"tls": "skip-verify", "tls_ca": other}, encrypted: true},
		{name: "verify-ca", options: map[string]string{"tls": "verify-ca", "tls_ca": ca}, encrypted: true},
		{name: "verify-ca by default", options: map[string]string{"tls_ca": ca}, encrypted: true},
		{name: "verify-ca, other CA", options: map[string]string{"tls": "verify-ca", "tls_ca": other}, refused: true},
		{name: "verify-ca by default, other CA", options: map[string]string{"tls_ca": other}, refused: true},
		{name: "verify-ca, the system's CAs", options: map[string]string{"tls": "verify-ca"}, refused: true},
		{name: "true", host: "localhost", options: map[string]string{"tls": "true", "tls_ca": ca}, encrypted: true},
		{name: "true, other CA", host: "localhost", options: map[string]string{"tls": "true", "tls_ca": other}, refused: true},
		{name: "true, for another name", options: map[string]string{"tls": "true", "tls_ca": ca}, refused: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := c.target("u_tls", "right", "d_tls")
			target.Options = test.options
			if test.host != "" {
				target.Host = test.host
			}
			db := mustOpen(t, target)
			if failed := db.Check(t.Context()).Failed(); (failed != nil) != test.refused {
				t.Fatalf("failed: %+v, want refused %t", failed, test.refused)
			} else if failed != nil {
				if failed.Name != StepSignIn || failed.Kind != Other {
					t.Errorf("%s at %s: %v", failed.Kind, failed.Name, failed.Err)
				}
				return
			}
			var name, cipher string
			if err := db.pool.QueryRow("SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil {
				t.Fatal(err)
			}
			if (cipher != "") != test.encrypted {
				t.Errorf("cipher %q, want encrypted %t", cipher, test.encrypted)
			}
		})
	}
}
