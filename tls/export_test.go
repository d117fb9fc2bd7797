package certs

import "context"

// CheckRenewals does now what is done every ten minutes.
func (m *Manager) CheckRenewals(ctx context.Context) error {
	return m.cache.RenewManagedCertificates(ctx)
}
