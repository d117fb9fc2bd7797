package certs

import (
	"context"
	"crypto/tls"
	"io/fs"
	"path"
	"time"

	"github.com/caddyserver/certmagic"
)

// cacheEarlier brings into memory the best certificate that name has from a
// directory of earlier days, or from when a wildcard was good for it, if any, so that a change of directory and a
// restart after it do not take a good certificate from a site. It is not
// renewed: one from today's directory is on its way. Errors do not matter, the
// local CA's certificate is there.
func (m *Manager) cacheEarlier(ctx context.Context, magic *certmagic.Config, name string) {
	if len(m.cache.AllMatchingCertificates(name)) > 0 {
		return // from before Configure
	}
	issuers, err := m.cfg.Storage.List(ctx, "certificates", false)
	if err != nil {
		return
	}
	var until time.Time
	var certPEM, keyPEM []byte
	for _, issuer := range issuers {
		for _, name := range []string{name, wildOf(name)} {
			c, k, err := m.stored(ctx, path.Base(issuer), name)
			if err != nil {
				continue
			}
			pair, err := tls.X509KeyPair(c, k)
			if err == nil && pair.Leaf.NotAfter.After(until) {
				until, certPEM, keyPEM = pair.Leaf.NotAfter, c, k
			}
		}
	}
	if time.Now().Before(until) {
		magic.CacheUnmanagedCertificatePEMBytes(ctx, certPEM, keyPEM, nil)
	}
}

// stored returns the certificate that name has from issuer, and its key.
func (m *Manager) stored(ctx context.Context, issuer, name string) (certPEM, keyPEM []byte, err error) {
	if name == "" {
		return nil, nil, fs.ErrNotExist
	}
	certPEM, err = m.cfg.Storage.Load(ctx, certmagic.StorageKeys.SiteCert(issuer, name))
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err = m.cfg.Storage.Load(ctx, certmagic.StorageKeys.SitePrivateKey(issuer, name))
	return certPEM, keyPEM, err
}
