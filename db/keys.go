package db

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

const keyColumns = `name, fingerprint, public, admin, created_at`

// AddKey adds a key. Neither its name nor its fingerprint may be there yet.
func (s *Store) AddKey(ctx context.Context, k appliance.Key) error {
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO keys (`+keyColumns+`) VALUES (?, ?, ?, ?, ?)`, k.Name, k.Fingerprint, k.Public, k.Admin, now())
	if isDuplicate(err) {
		return fmt.Errorf("key %s (%s) %w", k.Name, k.Fingerprint, appliance.ErrExists)
	}
	return err
}

// Keys returns every key, by name.
func (s *Store) Keys(ctx context.Context) ([]appliance.Key, error) {
	return query(ctx, s, key, `SELECT `+keyColumns+` FROM keys ORDER BY name`)
}

// Key returns the key with a fingerprint.
func (s *Store) Key(ctx context.Context, fingerprint string) (appliance.Key, error) {
	keys, err := query(ctx, s, key, `SELECT `+keyColumns+` FROM keys WHERE fingerprint = ?`, fingerprint)
	if err != nil {
		return appliance.Key{}, err
	}
	if len(keys) == 0 {
		return appliance.Key{}, fmt.Errorf("key %s %w", fingerprint, appliance.ErrNotFound)
	}
	return keys[0], nil
}

// RemoveKey forgets the key called name, and what it gave access to.
func (s *Store) RemoveKey(ctx context.Context, name string) error {
	result, err := s.db.ExecContext(ctx, `DELETE FROM keys WHERE name = ?`, name)
	if err != nil {
		return err
	}
	return affected(result, fmt.Errorf("key %s %w", name, appliance.ErrNotFound))
}

// Grant lets a key work on an app. Granting twice is no error.
func (s *Store) Grant(ctx context.Context, app appliance.AppName, key string) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO access (app, key) VALUES (?, ?) ON CONFLICT DO NOTHING`, app, key)
	if isMissingParent(err) {
		return fmt.Errorf("app %s or key %s %w", app, key, appliance.ErrNotFound)
	}
	return err
}

// Revoke takes back what Grant gave.
func (s *Store) Revoke(ctx context.Context, app appliance.AppName, key string) error {
	result, err := s.db.ExecContext(ctx, `DELETE FROM access WHERE app = ? AND key = ?`, app, key)
	if err != nil {
		return err
	}
	return affected(result, fmt.Errorf("access of key %s to %s %w", key, app, appliance.ErrNotFound))
}

// MayWorkOn reports whether a key was granted an app.
func (s *Store) MayWorkOn(ctx context.Context, app appliance.AppName, key string) (may bool, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM access WHERE app = ? AND key = ?)`, app, key).Scan(&may)
	return may, err
}

// Granted returns the keys that were granted an app, by name.
func (s *Store) Granted(ctx context.Context, app appliance.AppName) ([]string, error) {
	return query(ctx, s, text, `SELECT key FROM access WHERE app = ? ORDER BY key`, app)
}

func key(rows *sql.Rows) (k appliance.Key, err error) {
	var at string
	if err := rows.Scan(&k.Name, &k.Fingerprint, &k.Public, &k.Admin, &at); err != nil {
		return k, err
	}
	k.CreatedAt, err = parseTime(at)
	return k, err
}
