package certs

import "context"

// Allow says what speaks against an attempt for name now.
func (m *Manager) Allow(ctx context.Context, name string) error { return m.allow(ctx, name) }
