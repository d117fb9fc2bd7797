package certs

import (
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// keptExpired is for how long a certificate stays in storage after it expired.
const keptExpired = 14 * 24 * time.Hour

// tidy removes what has long expired from storage, daily, until Close.
func (m *Manager) tidy() {
	for {
		err := certmagic.CleanStorage(m.ctx, m.cfg.Storage, certmagic.CleanStorageOptions{
			Logger:                 zap.NewNop(),
			Interval:               23 * time.Hour, // restarts do not count
			OCSPStaples:            true,
			ExpiredCerts:           true,
			ExpiredCertGracePeriod: keptExpired,
		})
		if err != nil && m.ctx.Err() == nil {
			m.cfg.Log.Warn("tidy up certificates", "err", err)
		}
		select {
		case <-m.ctx.Done():
			return
		case <-time.After(24 * time.Hour):
		}
	}
}
