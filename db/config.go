package db

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// Config returns the app's own environment, or, for "", that of all apps.
func (s *Store) Config(ctx context.Context, name appliance.AppName) (map[string]string, error) {
	if name == "" {
		return s.pairs(ctx, configPlace, `SELECT '', key, value FROM global_config`)
	}
	return s.pairs(ctx, configPlace, `SELECT app, key, value FROM config WHERE app = ?`, name)
}

// ChangeConfig sets and unsets keys of the app's environment, or, for "", of
// that of all apps: all or none.
func (s *Store) ChangeConfig(ctx context.Context, name appliance.AppName, set map[string]string, unset []string) error {
	return s.inConfig(ctx, name, func(tx *sql.Tx) error { return s.changeConfig(ctx, tx, name, set, unset) })
}

// ReplaceConfig has the app's environment, or, for "", that of all apps, be
// this and nothing else.
func (s *Store) ReplaceConfig(ctx context.Context, name appliance.AppName, all map[string]string) error {
	return s.inConfig(ctx, name, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+configRows(name), name); err != nil {
			return err
		}
		return s.setConfig(ctx, tx, name, all)
	})
}

// configRows is the table, and which of its rows are of the app ?1.
func configRows(name appliance.AppName) string {
	if name == "" {
		return `global_config WHERE ?1 = ''`
	}
	return `config WHERE app = ?1`
}

func (s *Store) inConfig(ctx context.Context, name appliance.AppName, fn func(*sql.Tx) error) error {
	err := s.tx(ctx, fn)
	if isMissingParent(err) {
		return &appliance.NoAppError{App: name}
	}
	return err
}

func (s *Store) changeConfig(ctx context.Context, tx *sql.Tx, name appliance.AppName, set map[string]string, unset []string) error {
	for _, key := range unset {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+configRows(name)+` AND key = ?2`, name, key); err != nil {
			return err
		}
	}
	return s.setConfig(ctx, tx, name, set)
}

func (s *Store) setConfig(ctx context.Context, tx *sql.Tx, name appliance.AppName, set map[string]string) error {
	insert := `INSERT INTO config (app, key, value) VALUES (?1, ?2, ?3) ON CONFLICT (app, key) DO UPDATE SET value = excluded.value`
	if name == "" {
		insert = `INSERT INTO global_config (key, value) VALUES (?2, ?3) ON CONFLICT (key) DO UPDATE SET value = excluded.value`
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if _, err := tx.ExecContext(ctx, insert, name, key, s.seal.close([]byte(set[key]), configPlace(string(name), key)...)); err != nil {
			return err
		}
	}
	return nil
}

// pairs returns keys with their values from rows of an app, a key and a sealed
// value.
func (s *Store) pairs(ctx context.Context, place func(app, key string) []string, text string, args ...any) (map[string]string, error) {
	m := map[string]string{}
	_, err := query(ctx, s, func(rows *sql.Rows) (_ struct{}, err error) {
		var app, key string
		var sealed []byte
		if err := rows.Scan(&app, &key, &sealed); err != nil {
			return struct{}{}, err
		}
		value, err := s.seal.open(sealed, place(app, key)...)
		m[key] = string(value)
		return struct{}{}, err
	}, text, args...)
	return m, err
}
