package db

import (
	"context"
	"database/sql"

	"github.com/berthhq/berth/appliance"
)

// Formation returns how many of each process type the app should run, for the
// types that somebody has scaled.
func (s *Store) Formation(ctx context.Context, name appliance.AppName) (appliance.Formation, error) {
	f := appliance.Formation{}
	_, err := query(ctx, s, func(rows *sql.Rows) (_ struct{}, err error) {
		var typ string
		var n int
		err = rows.Scan(&typ, &n)
		f[typ] = n
		return
	}, `SELECT type, replicas FROM formation WHERE app = ?`, name)
	return f, err
}

// Scale sets how many of the given process types should run, all or none.
func (s *Store) Scale(ctx context.Context, name appliance.AppName, change appliance.Formation) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		for typ, n := range change {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO formation (app, type, replicas) VALUES (?, ?, ?)
				ON CONFLICT (app, type) DO UPDATE SET replicas = excluded.replicas`, name, typ, n); err != nil {
				return err
			}
		}
		return nil
	})
	if isMissingParent(err) {
		return &appliance.NoAppError{App: name}
	}
	return err
}
