package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/berthhq/berth/appliance"
)

const tokenColumns = `name, key, hash, created_at, expires_at, used_at`

// AddToken adds a token. Its name must not be there yet, and its key must.
func (s *Store) AddToken(ctx context.Context, t appliance.Token) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO tokens (`+tokenColumns+`) VALUES (?, ?, ?, ?, ?, '')`, t.Name, t.Key, t.Hash, now(), someTime(t.ExpiresAt))
	switch {
	case isMissingParent(err):
		return fmt.Errorf("key %s %w", t.Key, appliance.ErrNotFound)
	case isDuplicate(err):
		return fmt.Errorf("token %s %w", t.Name, appliance.ErrExists)
	}
	return err
}

// Tokens returns every token, by name, or those of a key if it is not "".
func (s *Store) Tokens(ctx context.Context, key string) ([]appliance.Token, error) {
	return query(ctx, s, token, `SELECT `+tokenColumns+` FROM tokens WHERE key = ? OR ? = '' ORDER BY name`, key, key)
}

// RemoveToken forgets a token. With a key that is not "" it must be that key's.
func (s *Store) RemoveToken(ctx context.Context, name, key string) error {
	result, err := s.db.ExecContext(ctx, `DELETE FROM tokens WHERE name = ? AND (key = ? OR ? = '')`, name, key, key)
	if err != nil {
		return err
	}
	return affected(result, fmt.Errorf("token %s %w", name, appliance.ErrNotFound))
}

// UseToken returns the key that the token with a hash stands for, now, and
// remembers the day.
func (s *Store) UseToken(ctx context.Context, hash string, now time.Time) (appliance.Key, error) {
	none := fmt.Errorf("token %w", appliance.ErrNotFound)
	tokens, err := query(ctx, s, token, `SELECT `+tokenColumns+` FROM tokens WHERE hash = ?`, hash)
	if err != nil {
		return appliance.Key{}, err
	}
	if len(tokens) == 0 || tokens[0].Expired(now) {
		return appliance.Key{}, none
	}
	keys, err := query(ctx, s, key, `SELECT `+keyColumns+` FROM keys WHERE name = ?`, tokens[0].Key)
	if err != nil {
		return appliance.Key{}, err
	}
	if len(keys) == 0 {
		return appliance.Key{}, none
	}
	if day := now.UTC().Truncate(24 * time.Hour); !tokens[0].UsedAt.Equal(day) {
		_, err = s.db.ExecContext(ctx, `UPDATE tokens SET used_at = ? WHERE hash = ?`, someTime(day), hash)
	}
	return keys[0], err
}

// someTime is a time as it is stored, "" for the zero one.
func someTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func token(rows *sql.Rows) (t appliance.Token, err error) {
	var created, expires, used string
	if err := rows.Scan(&t.Name, &t.Key, &t.Hash, &created, &expires, &used); err != nil {
		return t, err
	}
	t.CreatedAt, err = parseTime(created)
	return t, errors.Join(err, readSomeTime(expires, &t.ExpiresAt), readSomeTime(used, &t.UsedAt))
}

// readSomeTime reads what someTime has written.
func readSomeTime(text string, at *time.Time) (err error) {
	if text != "" {
		*at, err = parseTime(text)
	}
	return err
}
