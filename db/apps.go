package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

// CreateApp adds an app. A provisional one is gone after a restart unless
// GoLive has been called for it.
func (s *Store) CreateApp(ctx context.Context, name appliance.AppName, provisional bool) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		handle, err := freeHandle(ctx, tx, name)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO apps (name, created_at, provisional, live_generation, live_release, handle) VALUES (?, ?, ?, '', 0, ?)`,
			name, now(), provisional, handle)
		return err
	})
	if isDuplicate(err) {
		return fmt.Errorf("app %s %w", name, appliance.ErrExists)
	}
	return err
}

// Establish makes a provisional app a real one.
func (s *Store) Establish(ctx context.Context, name appliance.AppName) error {
	result, err := s.db.ExecContext(ctx, `UPDATE apps SET provisional = 0 WHERE name = ?`, name)
	if err != nil {
		return err
	}
	return affected(result, &appliance.NoAppError{App: name})
}

// App returns the app called name.
func (s *Store) App(ctx context.Context, name appliance.AppName) (appliance.App, error) {
	apps, err := query(ctx, s, app, `
		SELECT name, created_at, provisional, live_generation, live_release FROM apps WHERE name = ?`, name)
	if err != nil {
		return appliance.App{}, err
	}
	if len(apps) == 0 {
		return appliance.App{}, &appliance.NoAppError{App: name}
	}
	return apps[0], nil
}

// Apps returns every app, by name.
func (s *Store) Apps(ctx context.Context) ([]appliance.App, error) {
	return query(ctx, s, app, `
		SELECT name, created_at, provisional, live_generation, live_release FROM apps ORDER BY name`)
}

// DestroyApp forgets an app and all that belongs to it, but not its events.
func (s *Store) DestroyApp(ctx context.Context, name appliance.AppName) error {
	result, err := s.db.ExecContext(ctx, `DELETE FROM apps WHERE name = ?`, name)
	if err != nil {
		return err
	}
	return affected(result, &appliance.NoAppError{App: name})
}

// A Live says what serves an app from now on.
type Live struct {
	App        appliance.AppName
	Release    int
	Generation appliance.Generation

	// Set and Unset change the app's environment in the same moment: for a
	// rollback, which brings back that of the release.
	Set   map[string]string
	Unset []string
}

// GoLive records which generation should serve the app from now on, and so
// that the deploy of its release has succeeded. It makes a provisional app a
// real one.
func (s *Store) GoLive(ctx context.Context, l Live) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE apps SET live_release = ?, live_generation = ?, provisional = 0 WHERE name = ?`, l.Release, l.Generation, l.App)
		if err != nil {
			return err
		}
		if err := affected(result, &appliance.NoAppError{App: l.App}); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE releases SET status = ? WHERE app = ? AND version = ?`,
			appliance.ReleaseSucceeded, l.App, l.Release)
		if err != nil {
			return err
		}
		return s.changeConfig(ctx, tx, l.App, l.Set, l.Unset)
	})
}

func app(rows *sql.Rows) (a appliance.App, err error) {
	var at string
	if err := rows.Scan(&a.Name, &at, &a.Provisional, &a.Live, &a.LiveRelease); err != nil {
		return a, err
	}
	a.CreatedAt, err = parseTime(at)
	return a, err
}

// noRows makes sql's error for an empty result the caller's.
func noRows(err, none error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return none
	}
	return err
}
