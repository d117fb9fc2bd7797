package certs

import (
	"context"
	"errors"
	"io/fs"
)

// Load brings the public certificates that storage has for hosts into memory,
// and returns when they are there: before the first visitor, who must not be
// shown another. What storage does not have, Manage gets.
func (m *Manager) Load(ctx context.Context, hosts ...string) {
	now := m.issuers.Load()
	for _, host := range hosts {
		host = normal(host)
		for _, name := range []string{host, wildOf(host)} {
			if name == "" || name == host && !Public(name) {
				continue
			}
			magic := now.of(name)
			_, err := magic.CacheManagedCertificate(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				m.cacheEarlier(ctx, magic, name)
			} else if err != nil {
				// Manage finds the same, and does something about it.
				m.cfg.Log.WarnContext(ctx, "load a certificate", "host", name, "err", err)
			}
		}
	}
	m.shown.forget()
}
