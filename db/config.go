package db

import (
	"context"
	"database/sql"

	"github.com/berthhq/berth/appliance"
)

// Config returns the app's environment.
func (s *Store) Config(ctx context.Context, name appliance.AppName) (map[string]string, error) {
	return pairs(ctx, s, `SELECT key, value FROM config WHERE app = ?`, name)
}

// ChangeConfig sets and unsets keys of the app's environment, all or none.
func (s *Store) ChangeConfig(ctx context.Context, name appliance.AppName, set map[string]string, unset []string) error {
	err := s.tx(ctx, func(tx *sql.Tx) error { return changeConfig(ctx, tx, name, set, unset) })
	if isMissingParent(err) {
		return &appliance.NoAppError{App: name}
	}
	return err
}

func changeConfig(ctx context.Context, tx *sql.Tx, name appliance.AppName, set map[string]string, unset []string) error {
	for key, value := range set {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO config (app, key, value) VALUES (?, ?, ?)
			ON CONFLICT (app, key) DO UPDATE SET value = excluded.value`, name, key, value); err != nil {
			return err
		}
	}
	for _, key := range unset {
		if _, err := tx.ExecContext(ctx, `DELETE FROM config WHERE app = ? AND key = ?`, name, key); err != nil {
			return err
		}
	}
	return nil
}

// pairs returns a table of two columns as a map.
func pairs(ctx context.Context, s *Store, text string, args ...any) (map[string]string, error) {
	m := map[string]string{}
	_, err := query(ctx, s, func(rows *sql.Rows) (_ struct{}, err error) {
		var key, value string
		err = rows.Scan(&key, &value)
		m[key] = value
		return
	}, text, args...)
	return m, err
}
