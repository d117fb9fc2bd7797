package certs

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Finding is something that is wrong, and what to do about it.
type Finding struct {
	What string // "port 80 of 203.0.113.7 is closed"
	Fix  string // "let it in"; "" if there is nothing to do
}

func (f Finding) Error() string {
	if f.Fix == "" {
		return f.What
	}
	return f.What + ": " + f.Fix
}

// A Pair is a certificate, with its chain, and its private key.
type Pair struct {
	tls.Certificate // with its Leaf
	names           map[string]bool
}

// maxBundle is how much PEM a certificate, a long chain and a key can be.
const (
	maxBundle = 256 << 10
	maxBlocks = 32
)

// A bundle is what was found in PEM.
type bundle struct {
	certs []*x509.Certificate
	keys  []crypto.Signer
}

// parsePair makes a pair of a bundle in PEM, whatever its order. If it has no
// key, one of the kept texts may have it. It returns an error unless visitors
// who trust roots (the system's if nil) or the bundle's own root would accept
// the certificate, and else what they should know who brought it.
func parsePair(text []byte, kept [][]byte, roots *x509.CertPool, now time.Time) (*Pair, []Finding, error) {
	b, err := readBundle(text)
	if err != nil {
		return nil, nil, err
	}
	if len(b.certs) == 0 {
		return nil, nil, Finding{"there is no certificate in it", "give it in PEM, as text that has -----BEGIN CERTIFICATE-----"}
	}
	if len(b.keys) == 0 { // the answer to a request of ours
		for _, text := range kept {
			if earlier, err := readBundle(text); err == nil {
				b.keys = append(b.keys, earlier.keys...)
			}
		}
		if len(b.keys) == 0 {
			return nil, nil, Finding{"there is no private key in it", "add it to the certificate: cat server.crt server.key | ..."}
		}
	}
	leaf, key := b.match()
	if leaf == nil {
		return nil, nil, Finding{"the private key does not belong to the certificate",
			fmt.Sprintf("bring the key that the request of the certificate of %s was made with", subject(b.certs[0]))}
	}
	chain, ends := b.chain(leaf)
	notes, err := examine(leaf, key, chain, ends, roots, now)
	if err != nil {
		return nil, nil, err
	}
	if !slices.EqualFunc(chain, b.certs[:min(len(chain), len(b.certs))], (*x509.Certificate).Equal) {
		notes = append(notes, Finding{What: "the certificates were not in order, and have been put in order"})
	}
	if unused := len(b.certs) - len(chain); unused > 0 && !(ends && unused == 1) {
		notes = append(notes, Finding{What: fmt.Sprintf("%d certificates in it have nothing to do with this one, and are left out", unused)})
	}
	return newPair(chain, key), notes, nil
}

func newPair(chain []*x509.Certificate, key crypto.Signer) *Pair {
	p := &Pair{names: map[string]bool{}}
	for _, c := range chain {
		p.Certificate.Certificate = append(p.Certificate.Certificate, c.Raw)
	}
	p.PrivateKey, p.Leaf = key, chain[0]
	for _, name := range p.Leaf.DNSNames {
		p.names[normal(name)] = true
	}
	return p
}

// readPair reads what encode has made. That it was good once is known.
func readPair(text []byte) (*Pair, error) {
	b, err := readBundle(text)
	if err != nil {
		return nil, err
	}
	if len(b.certs) == 0 || len(b.keys) == 0 {
		return nil, errors.New("certificate or key is missing")
	}
	leaf, key := b.match()
	if leaf == nil {
		return nil, errors.New("the key does not belong to the certificate")
	}
	return newPair(b.certs, key), nil
}

// encode returns all of the pair in PEM.
func (p *Pair) encode() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.PrivateKey)
	if err != nil {
		return nil, err
	}
	return append(p.own().Chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

func (p *Pair) own() Own { return ownOfChain(p.Leaf, p.Certificate.Certificate) }

// serves tells whether host can be served with the pair now.
func (p *Pair) serves(host string) bool {
	if p == nil || !p.names[host] && !p.names[wildcard(host)] {
		return false
	}
	now := time.Now()
	return now.Before(p.Leaf.NotAfter) && !now.Before(p.Leaf.NotBefore)
}

// readBundle takes certificates and keys out of PEM. Parameters and requests
// that tools put beside them are left out.
func readBundle(text []byte) (b bundle, err error) {
	if len(text) > maxBundle {
		return b, Finding{What: fmt.Sprintf("it is longer than %d KiB", maxBundle>>10)}
	}
	text = bytes.ReplaceAll(text, []byte("\r"), nil)
	for range maxBlocks {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return b, nil
		}
		switch kind := block.Type; {
		case kind == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return b, Finding{"the private key is encrypted, and nobody is here to type its passphrase", "decrypt it: openssl pkey -in server.key -out plain.key"}
		case kind == "CERTIFICATE" || kind == "TRUSTED CERTIFICATE" || kind == "X509 CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return b, Finding{What: "a certificate in it cannot be read: " + strings.TrimPrefix(err.Error(), "x509: ")}
			}
			if !slices.ContainsFunc(b.certs, c.Equal) {
				b.certs = append(b.certs, c)
			}
		case strings.HasSuffix(kind, "PRIVATE KEY"):
			key, err := parseKey(block.Bytes)
			if err != nil {
				return b, err
			}
			b.keys = append(b.keys, key)
		}
	}
	return b, Finding{What: fmt.Sprintf("there are more than %d certificates and keys in it", maxBlocks)}
}

// parseKey reads a key in any of the three spellings. Its errors have nothing
// of the key.
func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, Finding{"the private key in it cannot be read", "use RSA or ECDSA: openssl pkey -in server.key -out plain.key shows whether the file is good"}
}

// match returns the certificate that one of the keys belongs to: of several,
// the one that lasts longest; nil if there is none.
func (b bundle) match() (leaf *x509.Certificate, key crypto.Signer) {
	for _, k := range b.keys {
		public, ok := k.Public().(interface{ Equal(crypto.PublicKey) bool })
		for _, c := range b.certs {
			if ok && public.Equal(c.PublicKey) && (leaf == nil || c.NotAfter.After(leaf.NotAfter)) {
				leaf, key = c, k
			}
		}
	}
	return leaf, key
}

// chain returns the certificates from leaf towards a root, without the root,
// which visitors have, and whether the root is in the bundle.
func (b bundle) chain(leaf *x509.Certificate) (chain []*x509.Certificate, ends bool) {
	chain = []*x509.Certificate{leaf}
	for last := leaf; ; {
		if selfSigned(last) {
			if last != leaf {
				chain = chain[:len(chain)-1]
			}
			return chain, true
		}
		i := slices.IndexFunc(b.certs, func(c *x509.Certificate) bool {
			return !slices.Contains(chain, c) && bytes.Equal(last.RawIssuer, c.RawSubject) && last.CheckSignatureFrom(c) == nil
		})
		if i < 0 {
			return chain, false
		}
		last = b.certs[i]
		chain = append(chain, last)
	}
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}
