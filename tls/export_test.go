package certs

import (
	"context"
	"time"
)

// CheckRenewals does now what is done every ten minutes.
func (m *Manager) CheckRenewals(ctx context.Context) error {
	return m.cache.RenewManagedCertificates(ctx)
}

// RenewEvery has a manager look more often than people's do.
func (c *Config) RenewEvery(d time.Duration) { c.renewEvery = d }

// WarnOwn does now what is done every hour.
func (m *Manager) WarnOwn(now time.Time) { m.warnOwn(now, map[*Pair]int{}) }

// CheckKept reads what is kept of a certificate that was brought.
func CheckKept(text []byte) error {
	_, err := readPair(text)
	return err
}
