package db

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

// Domains returns the hosts that were added to the app, by name.
func (s *Store) Domains(ctx context.Context, name appliance.AppName) ([]string, error) {
	return query(ctx, s, text, `SELECT host FROM domains WHERE app = ? ORDER BY host`, name)
}

// DomainOwner returns the app that host was added to, or ErrNotFound.
func (s *Store) DomainOwner(ctx context.Context, host string) (owner appliance.AppName, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT app FROM domains WHERE host = ?`, host).Scan(&owner)
	return owner, noRows(err, fmt.Errorf("domain %s %w", host, appliance.ErrNotFound))
}

// DomainOwners returns the apps that a host, or a path there, was added to.
func (s *Store) DomainOwners(ctx context.Context, host string) ([]appliance.AppName, error) {
	// What begins with the host and a slash; 0 is what comes after that.
	return query(ctx, s, func(rows *sql.Rows) (app appliance.AppName, err error) { return app, rows.Scan(&app) },
		`SELECT DISTINCT app FROM domains WHERE host = ?1 OR host > ?1 || '/' AND host < ?1 || '0' ORDER BY app`, host)
}

// AddDomain adds a host to an app. A host leads to one app only.
func (s *Store) AddDomain(ctx context.Context, name appliance.AppName, host string) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO domains (host, app) VALUES (?, ?)`, host, name)
	switch {
	case isMissingParent(err):
		return &appliance.NoAppError{App: name}
	case isDuplicate(err):
		return fmt.Errorf("domain %s %w", host, appliance.ErrExists)
	}
	return err
}

// RemoveDomain takes a host from an app.
func (s *Store) RemoveDomain(ctx context.Context, name appliance.AppName, host string) error {
	result, err := s.db.ExecContext(ctx, `DELETE FROM domains WHERE app = ? AND host = ?`, name, host)
	if err != nil {
		return err
	}
	return affected(result, fmt.Errorf("domain %s of %s %w", host, name, appliance.ErrNotFound))
}

// SetDomains gives an app these hosts and no others, and a setting that goes
// with them: all or none.
func (s *Store) SetDomains(ctx context.Context, name appliance.AppName, hosts []string, setting, value string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM domains WHERE app = ?`, name); err != nil {
			return err
		}
		for _, host := range hosts {
			_, err := tx.ExecContext(ctx, `INSERT INTO domains (host, app) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET app = ?2 WHERE app = ?2`, host, name)
			if isMissingParent(err) {
				return &appliance.NoAppError{App: name}
			}
			if err != nil {
				return err
			}
			var owner appliance.AppName
			if err := tx.QueryRowContext(ctx, `SELECT app FROM domains WHERE host = ?`, host).Scan(&owner); err != nil {
				return err
			}
			if owner != name {
				return fmt.Errorf("domain %s %w", host, appliance.ErrExists)
			}
		}
		return s.setApp(ctx, tx, name, setting, value)
	})
}
