package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/berthhq/berth/appliance"
)

// Settings are sealed, all of them: many hold passwords, keys or tokens, and
// nobody has to think of which.

// Setting returns a setting of the appliance, or "".
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	return s.setting(ctx, "", name, s.readSetting)
}

// Set changes a setting of the appliance; "" takes it back.
func (s *Store) Set(ctx context.Context, name, value string) error {
	if value == "" {
		_, err := s.db.ExecContext(ctx, `DELETE FROM settings WHERE name = ?`, name)
		return err
	}
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO settings (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, s.seal.close([]byte(value), settingPlace("", name)...))
	return err
}

// AppSetting returns a setting of an app, or "".
func (s *Store) AppSetting(ctx context.Context, app appliance.AppName, name string) (string, error) {
	return s.setting(ctx, app, name, s.readAppSetting)
}

// AppSettings returns a setting of all apps that have it.
func (s *Store) AppSettings(ctx context.Context, name string) (map[appliance.AppName]string, error) {
	values := map[appliance.AppName]string{}
	_, err := query(ctx, s, func(rows *sql.Rows) (_ struct{}, err error) {
		var app appliance.AppName
		var sealed []byte
		if err := rows.Scan(&app, &sealed); err != nil {
			return struct{}{}, err
		}
		value, err := s.seal.open(sealed, settingPlace(string(app), name)...)
		values[app] = string(value)
		return struct{}{}, err
	}, `SELECT app, value FROM app_settings WHERE name = ?`, name)
	return values, err
}

// SetApp changes a setting of an app; "" takes it back.
func (s *Store) SetApp(ctx context.Context, app appliance.AppName, name, value string) error {
	return s.setApp(ctx, s.db, app, name, value)
}

// An execer is a store's database, or a transaction of it.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s *Store) setApp(ctx context.Context, to execer, app appliance.AppName, name, value string) error {
	if value == "" {
		_, err := to.ExecContext(ctx, `DELETE FROM app_settings WHERE app = ? AND name = ?`, app, name)
		return err
	}
	_, err := to.ExecContext(ctx, `
		INSERT INTO app_settings (app, name, value) VALUES (?, ?, ?)
		ON CONFLICT (app, name) DO UPDATE SET value = excluded.value`, app, name, s.seal.close([]byte(value), settingPlace(string(app), name)...))
	if isMissingParent(err) {
		return &appliance.NoAppError{App: app}
	}
	return err
}

// SettingNames returns the names of an app's settings that begin so, in order.
func (s *Store) SettingNames(ctx context.Context, app appliance.AppName, prefix string) ([]string, error) {
	return query(ctx, s, text, `
		SELECT name FROM app_settings WHERE app = ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name`, app, prefix)
}

// CopySettings gives an app the settings of another, but for some.
func (s *Store) CopySettings(ctx context.Context, from, to appliance.AppName, but ...string) error {
	left, err := json.Marshal(but)
	if err != nil {
		return err
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO app_settings (app, name, value) SELECT ?, name, value FROM app_settings WHERE app = ? AND name NOT IN (SELECT value FROM json_each(?))`, to, from, string(left))
		if err != nil {
			return err
		}
		return s.reseal(ctx, tx, ofSettings, from, to)
	})
	if isMissingParent(err) {
		return &appliance.NoAppError{App: to}
	}
	return err
}

func (s *Store) setting(ctx context.Context, app appliance.AppName, name string, read *sql.Stmt) (string, error) {
	var sealed []byte
	err := read.QueryRowContext(ctx, app, name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	value, err := s.seal.open(sealed, settingPlace(string(app), name)...)
	return string(value), err
}
