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

// RenameKey gives a key another name, with all that it has access to.
func (s *Store) RenameKey(ctx context.Context, name, to string) error {
	result, err := s.db.ExecContext(ctx, `UPDATE keys SET name = ? WHERE name = ?`, to, name)
	if isDuplicate(err) {
		return fmt.Errorf("key %s %w", to, appliance.ErrExists)
	}
	if err != nil {
		return err
	}
	return affected(result, fmt.Errorf("key %s %w", name, appliance.ErrNotFound))
}

func key(rows *sql.Rows) (k appliance.Key, err error) {
	var at string
	if err := rows.Scan(&k.Name, &k.Fingerprint, &k.Public, &k.Admin, &at); err != nil {
		return k, err
	}
	k.CreatedAt, err = parseTime(at)
	return k, err
}
