package db

import (
	"context"
	"database/sql"

	"github.com/berthhq/berth/appliance"
)

// Setting returns a setting of the appliance, or "".
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = ?`, name).Scan(&value)
	return value, noRows(err, nil)
}

// Set changes a setting of the appliance; "" takes it back.
func (s *Store) Set(ctx context.Context, name, value string) error {
	if value == "" {
		_, err := s.db.ExecContext(ctx, `DELETE FROM settings WHERE name = ?`, name)
		return err
	}
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO settings (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// AppSetting returns a setting of an app, or "".
func (s *Store) AppSetting(ctx context.Context, app appliance.AppName, name string) (value string, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT value FROM app_settings WHERE app = ? AND name = ?`, app, name).Scan(&value)
	return value, noRows(err, nil)
}

// AppSettings returns a setting of all apps that have it.
func (s *Store) AppSettings(ctx context.Context, name string) (map[appliance.AppName]string, error) {
	type setting struct {
		app   appliance.AppName
		value string
	}
	list, err := query(ctx, s, func(rows *sql.Rows) (v setting, err error) {
		return v, rows.Scan(&v.app, &v.value)
	}, `SELECT app, value FROM app_settings WHERE name = ?`, name)
	values := map[appliance.AppName]string{}
	for _, v := range list {
		values[v.app] = v.value
	}
	return values, err
}

// SetApp changes a setting of an app; "" takes it back.
func (s *Store) SetApp(ctx context.Context, app appliance.AppName, name, value string) error {
	return setApp(ctx, s.db, app, name, value)
}

// An execer is a store's database, or a transaction of it.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func setApp(ctx context.Context, to execer, app appliance.AppName, name, value string) error {
	if value == "" {
		_, err := to.ExecContext(ctx, `DELETE FROM app_settings WHERE app = ? AND name = ?`, app, name)
		return err
	}
	_, err := to.ExecContext(ctx, `
		INSERT INTO app_settings (app, name, value) VALUES (?, ?, ?)
		ON CONFLICT (app, name) DO UPDATE SET value = excluded.value`, app, name, value)
	if isMissingParent(err) {
		return &appliance.NoAppError{App: app}
	}
	return err
}

// CopySettings gives an app the settings of another, but for one.
func (s *Store) CopySettings(ctx context.Context, from, to appliance.AppName, but string) error {
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO app_settings (app, name, value) SELECT ?, name, value FROM app_settings WHERE app = ? AND name <> ?`, to, from, but)
	if isMissingParent(err) {
		return &appliance.NoAppError{App: to}
	}
	return err
}
