package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
	"time"
)

// A TestCA is a commercial CA as it is seen from its certificates: a root that
// visitors know, and what signs for it.
type TestCA struct {
	t            testing.TB
	Root, Middle *x509.Certificate
	rootKey, key crypto.Signer
}

func NewTestCA(t testing.TB) *TestCA {
	t.Helper()
	ca := &TestCA{t: t, rootKey: NewTestKey(t), key: NewTestKey(t)}
	ca.Root = ca.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, ca.rootKey.Public(), ca.rootKey)
	ca.Middle = ca.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "Test Intermediate"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, ca.Root, ca.key.Public(), ca.rootKey)
	return ca
}

func NewTestKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Issue returns a certificate of names, changed by the functions given.
func (ca *TestCA) Issue(key crypto.PublicKey, names []string, change ...func(*x509.Certificate)) *x509.Certificate {
	ca.t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "a site"}, DNSNames: names,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, f := range change {
		f(template)
	}
	return ca.sign(template, ca.Middle, key, ca.key)
}

func (ca *TestCA) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Root)
	return pool
}

func (ca *TestCA) sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	ca.t.Helper()
	template.SerialNumber = serial()
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(365 * 24 * time.Hour)
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		ca.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		ca.t.Fatal(err)
	}
	return c
}

// PEMOf writes certificates and keys in PEM.
func PEMOf(t testing.TB, parts ...any) []byte {
	t.Helper()
	var text []byte
	for _, part := range parts {
		switch part := part.(type) {
		case *x509.Certificate:
			text = append(text, certificatePEM(part.Raw)...)
		case []byte:
			text = append(text, part...)
		default:
			der, err := x509.MarshalPKCS8PrivateKey(part)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
		}
	}
	return text
}
