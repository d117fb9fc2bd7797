package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"strings"
	"time"
)

// soon is how long before its end people are told of a certificate that they
// have to renew themselves.
const soon = 30 * 24 * time.Hour

// examine checks a certificate as the browsers of visitors do. ends tells that
// the root of the chain was brought too.
func examine(leaf *x509.Certificate, key crypto.Signer, chain []*x509.Certificate, ends bool, roots *x509.CertPool, now time.Time) (notes []Finding, err error) {
	if now.After(leaf.NotAfter) {
		return nil, Finding{"the certificate expired on " + day(leaf.NotAfter), "get a new one from " + issuer(leaf)}
	}
	if now.Before(leaf.NotBefore) {
		return nil, Finding{"the certificate is not valid before " + day(leaf.NotBefore), "wait until then, or set the clock of this machine"}
	}
	if len(leaf.DNSNames) == 0 {
		return nil, Finding{"the certificate has no DNS name (subject alternative name): browsers do not look at its common name", "get one that has"}
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return nil, Finding{"the certificate is not for servers: its extended key usage has no serverAuth", "get one that is"}
	}
	note, err := strength(key)
	if err != nil {
		return nil, err
	}
	for _, c := range chain {
		if weakSignature(c) {
			return nil, Finding{fmt.Sprintf("the certificate of %s is signed with %s, which browsers refuse", subject(c), c.SignatureAlgorithm), "get a new one"}
		}
	}
	notes = append(notes, note...)
	note, err = completeness(leaf, chain, ends, roots, now)
	if err != nil {
		return nil, err
	}
	notes = append(notes, note...)
	for _, c := range chain[1:] {
		if c.NotAfter.Before(leaf.NotAfter) && c.NotAfter.Sub(now) < soon {
			notes = append(notes, Finding{fmt.Sprintf("%s, which signed it, expires on %s", subject(c), day(c.NotAfter)), "get a new chain from the CA"})
		}
	}
	if leaf.NotAfter.Sub(now) < soon {
		notes = append(notes, expiry(leaf, now))
	}
	return notes, nil
}

// strength refuses keys that visitors refuse, or that would take the machine
// too long.
func strength(key crypto.Signer) ([]Finding, error) {
	const fix = "make another key: openssl ecparam -name prime256v1 -genkey -noout"
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if n := key.N.BitLen(); n < 2048 || n > 8192 {
			return nil, Finding{fmt.Sprintf("the RSA key has %d bits; 2048 to 8192 can be used", n), fix}
		}
	case *ecdsa.PrivateKey:
		if n := key.Curve.Params().BitSize; n < 256 {
			return nil, Finding{fmt.Sprintf("the ECDSA key has %d bits; 256 or more can be used", n), fix}
		}
	case ed25519.PrivateKey:
		return []Finding{{"the key is an Ed25519 one, which curl takes and browsers do not", "for browsers, use ECDSA or RSA"}}, nil
	default:
		return nil, Finding{fmt.Sprintf("a key of type %T cannot be used", key), fix}
	}
	return nil, nil
}

func weakSignature(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

// completeness refuses a certificate from which there is no way to a root, and
// tells of a root that only some visitors know.
func completeness(leaf *x509.Certificate, chain []*x509.Certificate, ends bool, roots *x509.CertPool, now time.Time) ([]Finding, error) {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	if err == nil {
		return nil, nil
	}
	last := chain[len(chain)-1]
	switch {
	case len(chain) == 1 && selfSigned(leaf):
		return []Finding{{What: "it is self-signed: only visitors who were told to will trust it"}}, nil
	case ends:
		return []Finding{{What: fmt.Sprintf("it comes from a CA that this machine does not know, %s: only visitors who were told to will trust it", issuer(last))}}, nil
	case noRoots(roots):
		return []Finding{{What: "this machine has no list of CAs to check the chain by"}}, nil
	}
	fix := fmt.Sprintf("add the certificate of %s to what you bring", issuer(last))
	if urls := last.IssuingCertificateURL; len(urls) > 0 {
		fix += ", it says where that is: " + urls[0]
	} else {
		fix += "; if that is your own CA, its root too"
	}
	return nil, Finding{fmt.Sprintf("the chain ends too early: %s was signed by %s, which is neither in it nor a root that visitors know", subject(last), issuer(last)), fix}
}

func noRoots(roots *x509.CertPool) bool {
	if roots == nil {
		roots, _ = x509.SystemCertPool() // nil if there is none
	}
	return roots == nil || roots.Equal(x509.NewCertPool())
}

// expiry tells of the end of a certificate.
func expiry(leaf *x509.Certificate, now time.Time) Finding {
	fix := "get a new one from " + issuer(leaf) + " and bring it with certs:add, or have one made for you with certs:remove"
	left := leaf.NotAfter.Sub(now)
	if left <= 0 {
		return Finding{"the certificate you brought expired on " + day(leaf.NotAfter), fix}
	}
	return Finding{fmt.Sprintf("the certificate you brought expires on %s, in %d days", day(leaf.NotAfter), int(left.Hours()/24)), fix}
}

// covers tells whether a certificate is good for host. host may be a wildcard.
func covers(leaf *x509.Certificate, host string) bool {
	return slices.ContainsFunc(leaf.DNSNames, func(name string) bool {
		name = normal(name)
		return name == host || name == wildcard(host)
	})
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func subject(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 && !c.IsCA {
		return printable(c.DNSNames[0])
	}
	return nameOf(c.Subject)
}

func issuer(c *x509.Certificate) string { return nameOf(c.Issuer) }

func nameOf(n pkix.Name) string {
	if n.CommonName != "" {
		return printable(n.CommonName)
	}
	return printable(n.String())
}

// printable is what a stranger wrote, for a person's terminal.
func printable(s string) string {
	s = strings.Trim(fmt.Sprintf("%.100q", s), `"`)
	if s == "" {
		return "an issuer without a name"
	}
	return s
}
