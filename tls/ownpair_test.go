package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"
)

const site = "www.example.org"

func TestAnOwnCertificateIsTakenWithEveryKindOfKey(t *testing.T) {
	ca := NewTestCA(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  crypto.Signer
		text []byte
		note string
	}{
		"RSA":           {key: rsaKey},
		"RSA, PKCS#1":   {key: rsaKey, text: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})},
		"ECDSA, SEC 1":  {key: p384, text: []byte("-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n" + string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})))},
		"ECDSA":         {key: p384},
		"Ed25519":       {key: edKey, note: "browsers do not"},
		"from Windows":  {key: rsaKey, text: bytes.ReplaceAll(PEMOf(t, rsaKey), []byte("\n"), []byte("\r\n"))},
		"with comments": {key: p384, text: append([]byte("Bag Attributes\n    friendlyName: x\n"), PEMOf(t, p384)...)},
	} {
		t.Run(name, func(t *testing.T) {
			if test.text == nil {
				test.text = PEMOf(t, test.key)
			}
			leaf := ca.Issue(test.key.Public(), []string{site})

			pair, notes, err := parsePair(PEMOf(t, leaf, ca.Middle, test.text), nil, ca.Roots(), time.Now())

			if err != nil {
				t.Fatal(err)
			}
			if text := told(notes); (test.note == "") != (text == "") || !strings.Contains(text, test.note) {
				t.Errorf("told %q, want %q", text, test.note)
			}
			kept, err := pair.encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := readPair(kept)
			if err != nil || !again.Leaf.Equal(leaf) || len(again.Certificate.Certificate) != 2 {
				t.Fatalf("read back: %v", err)
			}
			if _, err := tls.X509KeyPair(kept, kept); err != nil {
				t.Errorf("crypto/tls reads what is kept: %v", err)
			}
		})
	}
}

func TestAChainIsPutInOrder(t *testing.T) {
	ca, other, key := NewTestCA(t), NewTestCA(t), NewTestKey(t)
	leaf := ca.Issue(key.Public(), []string{site})
	for name, test := range map[string]struct {
		parts []any
		note  string
	}{
		"in order":             {[]any{leaf, ca.Middle, key}, ""},
		"key first":            {[]any{key, leaf, ca.Middle}, ""},
		"with its root":        {[]any{leaf, ca.Middle, ca.Root, key}, ""},
		"root first":           {[]any{ca.Root, ca.Middle, leaf, key}, "put in order"},
		"intermediate first":   {[]any{ca.Middle, key, leaf}, "put in order"},
		"twice":                {[]any{leaf, leaf, ca.Middle, ca.Middle, key}, ""},
		"with another's chain": {[]any{leaf, ca.Middle, other.Middle, key}, "nothing to do with this one"},
	} {
		t.Run(name, func(t *testing.T) {
			pair, notes, err := parsePair(PEMOf(t, test.parts...), nil, ca.Roots(), time.Now())

			if err != nil {
				t.Fatal(err)
			}
			if got := pair.Certificate.Certificate; len(got) != 2 || !bytes.Equal(got[0], leaf.Raw) || !bytes.Equal(got[1], ca.Middle.Raw) {
				t.Errorf("the chain has %d certificates, want the leaf and the intermediate", len(got))
			}
			if text := told(notes); (test.note == "") != (text == "") || !strings.Contains(text, test.note) {
				t.Errorf("told %q, want %q", text, test.note)
			}
		})
	}
}

func TestWhatVisitorsWouldRefuseIsRefused(t *testing.T) {
	ca, key, names := NewTestCA(t), NewTestKey(t), []string{site}
	good := ca.Issue(key.Public(), names)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	legacy := []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n")
	long := bytes.Repeat(PEMOf(t, good), maxBundle/len(PEMOf(t, good))+1)
	many := bytes.Repeat(PEMOf(t, good), maxBlocks+1)
	for name, test := range map[string]struct {
		parts []any
		want  string
	}{
		"nothing":              {nil, "no certificate"},
		"no certificate":       {[]any{key}, "no certificate"},
		"no key":               {[]any{good, ca.Middle}, "no private key"},
		"another key":          {[]any{good, ca.Middle, NewTestKey(t)}, "does not belong to the certificate: bring the key that the request of the certificate of www.example.org"},
		"an encrypted key":     {[]any{good, ca.Middle, encrypted}, "is encrypted, and nobody is here to type its passphrase: decrypt it: openssl pkey -in server.key"},
		"an old encrypted key": {[]any{good, ca.Middle, legacy}, "is encrypted"},
		"a damaged key":        {[]any{good, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}, "private key in it cannot be read"},
		"a damaged leaf":       {[]any{key, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}, "certificate in it cannot be read"},
		"no intermediate":      {[]any{good, key}, "www.example.org was signed by Test Intermediate, which is neither in it nor a root that visitors know: add the certificate of Test Intermediate"},
		"expired":              {[]any{ca.Issue(key.Public(), names, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), ca.Middle, key}, "expired on"},
		"not valid yet":        {[]any{ca.Issue(key.Public(), names, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), ca.Middle, key}, "not valid before"},
		"no names":             {[]any{ca.Issue(key.Public(), nil), ca.Middle, key}, "has no DNS name"},
		"of a mail client":     {[]any{ca.Issue(key.Public(), names, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }), ca.Middle, key}, "not for servers"},
		"a short RSA key":      {[]any{ca.Issue(short.Public(), names), ca.Middle, short}, "the RSA key has 1024 bits"},
		"a short ECDSA key":    {[]any{ca.Issue(p224.Public(), names), ca.Middle, p224}, "the ECDSA key has 224 bits"},
		"very long":            {[]any{long, key}, "longer than 256 KiB"},
		"very many":            {[]any{many, key}, "more than 32"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := parsePair(PEMOf(t, test.parts...), nil, ca.Roots(), time.Now())

			found, ok := errors.AsType[Finding](err)
			if !ok || !strings.Contains(found.Error(), test.want) {
				t.Errorf("refused with %q, want %q", err, test.want)
			}
			if strings.Contains(found.Error(), "AAAA") {
				t.Errorf("%q shows the key", found)
			}
		})
	}
}

func TestWhoBringsACertificateIsToldWhatOnlySomeVisitorsAccept(t *testing.T) {
	ca, key, names := NewTestCA(t), NewTestKey(t), []string{site}
	self := ca.sign(&x509.Certificate{DNSNames: names}, nil, key.Public(), key)
	for name, test := range map[string]struct {
		parts []any
		roots *x509.CertPool
		want  string
	}{
		"self-signed":    {[]any{self, key}, NewTestCA(t).Roots(), "it is self-signed"},
		"of a company":   {[]any{ca.Issue(key.Public(), names), ca.Middle, ca.Root, key}, NewTestCA(t).Roots(), "a CA that this machine does not know, Test Root"},
		"no list of CAs": {[]any{ca.Issue(key.Public(), names), key}, x509.NewCertPool(), "no list of CAs"},
		"ends soon":      {[]any{ca.Issue(key.Public(), names, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(100 * time.Hour) }), ca.Middle, key}, ca.Roots(), "in 4 days"},
	} {
		t.Run(name, func(t *testing.T) {
			_, notes, err := parsePair(PEMOf(t, test.parts...), nil, test.roots, time.Now())

			if err != nil || !strings.Contains(told(notes), test.want) {
				t.Errorf("told %q, %v, want %q", told(notes), err, test.want)
			}
		})
	}
}

// What a stranger wrote into a certificate must not reach a terminal.
func TestNamesInACertificateCannotDriveATerminal(t *testing.T) {
	ca, key := NewTestCA(t), NewTestKey(t)
	leaf := ca.Issue(key.Public(), []string{"x.example.org"}, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	ca.Middle.Subject.CommonName = "\x1b[2J\r\nwicked"
	leaf.Issuer = ca.Middle.Subject

	_, err := examine(leaf, key, []*x509.Certificate{leaf, ca.Middle}, false, ca.Roots(), time.Now())

	if f, _ := errors.AsType[Finding](err); strings.ContainsAny(f.Error(), "\x1b\r\n") || !strings.Contains(f.Error(), "wicked") {
		t.Errorf("said %q", f)
	}
}

func told(notes []Finding) string {
	var lines []string
	for _, n := range notes {
		lines = append(lines, n.Error())
	}
	return strings.Join(lines, "\n")
}
