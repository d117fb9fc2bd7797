package db

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"

	"github.com/berthhq/berth/appliance"
)

// fits returns what a store has to know its key by, nil if it has had none.
func (s *Store) fits(ctx context.Context) (fits []byte, err error) {
	var sealed bool
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sealing')`).Scan(&sealed)
	if err != nil || !sealed {
		return nil, err
	}
	err = s.db.QueryRowContext(ctx, `SELECT fits FROM sealing`).Scan(&fits)
	return fits, err
}

// sealAll is the part of a migration that SQL cannot do: it seals what is
// there. Nothing of it has happened if the machine dies on the way.
func (s *Store) sealAll(ctx context.Context, tx *sql.Tx, fresh bool) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO sealing (id, fits, scrubbed) VALUES (1, ?, ?)`, s.seal.close(nil, "sealing"), fresh); err != nil {
		return err
	}
	for _, m := range []move{
		{`SELECT app, key, value FROM plain_config`, `INSERT INTO config (app, key, value) VALUES (?1, ?2, ?3)`, configPlace},
		{`SELECT app, name, value FROM plain_app_settings`, `INSERT INTO app_settings (app, name, value) VALUES (?1, ?2, ?3)`, settingPlace},
		{`SELECT '', name, value FROM plain_settings`, `INSERT INTO settings (name, value) VALUES (?2, ?3)`, settingPlace},
		{`SELECT '', key, value FROM certificates`, `UPDATE certificates SET value = ?3 WHERE key = ?2`, certificatePlace},
		{`SELECT app, version, json_object('env', json(env), 'services', json(services), 'app_json', json(app_json)) FROM releases`,
			`UPDATE releases SET sealed = ?3 WHERE app = ?1 AND version = ?2`, releasePlace},
	} {
		err := m.values(ctx, tx, func(app, key string, value []byte) ([]byte, error) {
			return s.seal.close(value, m.place(app, key)...), nil
		})
		if err != nil {
			return err
		}
	}
	for _, script := range []string{
		`DROP TABLE plain_config`, `DROP TABLE plain_app_settings`, `DROP TABLE plain_settings`,
		`ALTER TABLE releases DROP COLUMN env`, `ALTER TABLE releases DROP COLUMN services`, `ALTER TABLE releases DROP COLUMN app_json`,
	} {
		if _, err := tx.ExecContext(ctx, script); err != nil {
			return err
		}
	}
	return nil
}

// What is sealed for an app.
var (
	ofConfig   = move{`SELECT app, key, value FROM config WHERE app = ?`, `UPDATE config SET value = ?3 WHERE app = ?1 AND key = ?2`, configPlace}
	ofSettings = move{`SELECT app, name, value FROM app_settings WHERE app = ?`, `UPDATE app_settings SET value = ?3 WHERE app = ?1 AND name = ?2`, settingPlace}
	ofReleases = move{`SELECT app, version, sealed FROM releases WHERE app = ?`, `UPDATE releases SET sealed = ?3 WHERE app = ?1 AND version = ?2`, releasePlace}
)

// reseal has what is sealed in the rows of one app, which came there as those
// of another, open there.
func (s *Store) reseal(ctx context.Context, tx *sql.Tx, m move, from, to appliance.AppName) error {
	return m.values(ctx, tx, func(_, key string, sealed []byte) ([]byte, error) {
		value, err := s.seal.open(sealed, m.place(string(from), key)...)
		return s.seal.close(value, m.place(string(to), key)...), err
	}, to)
}

// A move takes values from where a query finds them, with app and key, to
// where a statement puts them.
type move struct {
	from, to string
	place    func(app, key string) []string
}

// values moves what fn makes of each value.
func (m move) values(ctx context.Context, tx *sql.Tx, fn func(app, key string, value []byte) ([]byte, error), args ...any) error {
	type row struct {
		app, key string
		value    []byte
	}
	rows, err := tx.QueryContext(ctx, m.from, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var list []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.app, &r.key, &r.value); err != nil {
			return err
		}
		list = append(list, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, r := range list {
		value, err := fn(r.app, r.key, r.value)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, m.to, r.app, r.key, value); err != nil {
			return err
		}
	}
	return nil
}

// scrub sees to it that what was unsealed before is in no free page of the
// file, and not in its journal. It is tried again at the next start if it
// cannot be done now, as when the disk is full.
func (s *Store) scrub(ctx context.Context) error {
	var done bool
	if err := s.db.QueryRowContext(ctx, `SELECT scrubbed FROM sealing`).Scan(&done); err != nil || done {
		return err
	}
	_, err := s.db.ExecContext(ctx, `VACUUM`)
	if err == nil {
		var busy, pages, moved int
		err = s.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
		if err == nil && busy != 0 {
			err = errors.New("another program reads the store")
		}
	}
	if err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "secrets from before they were sealed may still be in the store's file; the next start tries again", "err", err)
		return nil
	}
	if err == nil {
		_, err = s.db.ExecContext(ctx, `UPDATE sealing SET scrubbed = 1`)
	}
	return err
}

// The places that values are sealed for.

func configPlace(app, key string) []string {
	if app == "" {
		return []string{"global_config", key}
	}
	return []string{"config", app, key}
}

func settingPlace(app, name string) []string {
	if app == "" {
		return []string{"settings", name}
	}
	return []string{"app_settings", app, name}
}

func certificatePlace(_, key string) []string { return []string{"certificates", key} }

func releasePlace(app, version string) []string { return []string{"releases", app, version} }
