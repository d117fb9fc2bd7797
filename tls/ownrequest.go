package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
)

// Request makes a private key for owner and returns a certificate signing
// request for names that was made with it, in PEM, for a CA that people go to
// themselves. The key stays here: AddOwn takes the CA's answer without it. A
// second request takes the place of the first.
func (m *Manager) Request(ctx context.Context, owner string, names ...string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: names[0]},
		DNSNames: names,
	}, key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	kept := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), request...)
	return request, m.cfg.Storage.Store(ctx, ownRequest+requestName(owner), kept)
}

// ownsKeyOf tells whether the pair's key is the one of the request of owner.
func (m *Manager) ownsKeyOf(ctx context.Context, owner string, pair *Pair) bool {
	text, err := m.cfg.Storage.Load(ctx, ownRequest+requestName(owner))
	if err != nil {
		return false
	}
	b, err := readBundle(text)
	if err != nil || len(b.keys) == 0 {
		return false
	}
	public, ok := b.keys[0].Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(pair.Leaf.PublicKey)
}
