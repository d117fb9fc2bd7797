package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// localCAKey has the certificate and its key in one value, so that there
	// is never one without the other, however we end.
	localCAKey = "berth/local-ca/root.pem"

	rootLife = 10 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
	maxLeafs = 4096
)

// A localCA signs the certificates of hosts that have no public one. Only who
// installs its root trusts them.
type localCA struct {
	root *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time

	mu    sync.Mutex // guards leafs
	leafs map[string]*tls.Certificate
}

// loadLocalCA returns the CA kept in storage. It makes one if there is none,
// or if its root would not outlive its leafs.
func loadLocalCA(ctx context.Context, storage certmagic.Storage) (*localCA, error) {
	if err := storage.Lock(ctx, localCAKey); err != nil {
		return nil, err
	}
	defer storage.Unlock(context.WithoutCancel(ctx), localCAKey)

	kept, err := storage.Load(ctx, localCAKey)
	if err == nil {
		ca, err := parseLocalCA(kept)
		if err != nil || time.Until(ca.root.NotAfter) > leafLife {
			return ca, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	made, err := makeLocalCA(time.Now())
	if err != nil {
		return nil, err
	}
	if err := storage.Store(ctx, localCAKey, made); err != nil {
		return nil, err
	}
	return parseLocalCA(made)
}

func makeLocalCA(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(public)
	root := &x509.Certificate{
		// The id tells the roots of several machines apart in a trust store.
		Subject:               pkix.Name{Organization: []string{"Berth"}, CommonName: fmt.Sprintf("Berth local CA %x", id[:4])},
		SerialNumber:          serial(),
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(rootLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(certificatePEM(der), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...), nil
}

func parseLocalCA(kept []byte) (*localCA, error) {
	pair, err := tls.X509KeyPair(kept, kept)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", localCAKey, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read %s: a %T where an ECDSA key belongs", localCAKey, pair.PrivateKey)
	}
	return &localCA{root: pair.Leaf, key: key, now: time.Now, leafs: map[string]*tls.Certificate{}}, nil
}

func (ca *localCA) rootPEM() []byte { return certificatePEM(ca.root.Raw) }

// leaf returns the certificate of host: the same until a third of its life is
// left. The caller has made sure that host is worth one.
func (ca *localCA) leaf(host string) (*tls.Certificate, error) {
	ca.mu.Lock()
	leaf := ca.leafs[host]
	ca.mu.Unlock()
	if leaf != nil {
		third := leaf.Leaf.NotAfter.Sub(leaf.Leaf.NotBefore) / 3
		if ca.now().Before(leaf.Leaf.NotAfter.Add(-third)) {
			return leaf, nil
		}
	}
	leaf, err := ca.sign(host)
	if err != nil {
		return nil, fmt.Errorf("local CA: sign %s: %w", host, err)
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if len(ca.leafs) >= maxLeafs {
		clear(ca.leafs) // cheaper to sign again than to count who is used
	}
	ca.leafs[host] = leaf
	return leaf, nil
}

func (ca *localCA) forget(host string) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	delete(ca.leafs, host)
}

func (ca *localCA) sign(host string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	notAfter := ca.now().Add(leafLife)
	if ca.root.NotAfter.Before(notAfter) {
		notAfter = ca.root.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		NotBefore:    ca.now().Add(-time.Hour), // clocks differ
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// Without it, a leaf's constraints are left to the reader's goodwill.
		BasicConstraintsValid: true,
	}
	if address := net.ParseIP(host); address != nil {
		template.IPAddresses = []net.IP{address}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.root, key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.root.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
