package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Names that got their certificates in the same moment, as those of a machine
// that is set up do, would all be ordered again in the same moment.
func TestCertificatesOfOneMomentAreNotRenewedInOne(t *testing.T) {
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return certmagic.NewDefault(), nil },
		Logger:           zap.NewNop(),
	})
	defer cache.Stop()
	config := certmagic.New(cache, certmagic.Config{Logger: zap.NewNop()})
	i := &issuers{names: config, wild: config, address: config}
	const life, names = 90 * 24 * time.Hour, 200
	due := func(left time.Duration) (n int) {
		expires := time.Now().Add(left)
		cert := certmagic.Certificate{Certificate: tls.Certificate{Leaf: &x509.Certificate{NotBefore: expires.Add(-life), NotAfter: expires}}}
		for k := range names {
			if cert.NeedsRenewal(i.of(fmt.Sprintf("app%d.example.com", k))) {
				n++
			}
		}
		return n
	}

	for days, want := range map[time.Duration]func(n int) bool{
		34: func(n int) bool { return n == 0 },
		32: func(n int) bool { return names/6 < n && n < names/2 },
		31: func(n int) bool { return names/2 < n && n < names*5/6 },
		29: func(n int) bool { return n == names },
	} {
		if n := due(days * 24 * time.Hour); !want(n) {
			t.Errorf("with %d days left %d of %d are renewed", days, n, names)
		}
	}
}
