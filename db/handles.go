package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

// A queryer is a store's database, or a transaction of it.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Handle returns what an app is called where its name cannot change. It is the
// name that the app was made with, unless another that once had that name
// still goes by it. Of a name that no app has, it is what such an app would
// get, and so never that of another app.
func (s *Store) Handle(ctx context.Context, name appliance.AppName) (handle appliance.AppName, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT handle FROM apps WHERE name = ?`, name).Scan(&handle)
	if errors.Is(err, sql.ErrNoRows) {
		return freeHandle(ctx, s.db, name)
	}
	return handle, err
}

// freeHandle returns the handle for a new app: its name, or with a number that
// no app's name can have.
func freeHandle(ctx context.Context, q queryer, name appliance.AppName) (appliance.AppName, error) {
	handle := name
	for n := 2; ; n++ {
		var taken bool
		if err := q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM apps WHERE handle = ?)`, handle).Scan(&taken); err != nil || !taken {
			return handle, err
		}
		handle = appliance.AppName(fmt.Sprintf("%s_%d", name, n))
	}
}

// Named returns the name of the app with a handle. If there is none, it is a
// name that no app has.
func (s *Store) Named(ctx context.Context, handle appliance.AppName) (name appliance.AppName, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT name FROM apps WHERE handle = ?`, handle).Scan(&name)
	if !errors.Is(err, sql.ErrNoRows) {
		return name, err
	}
	switch _, err = s.App(ctx, handle); {
	case errors.Is(err, appliance.ErrNotFound):
		return handle, nil
	case err != nil:
		return "", err
	}
	return handle + "_", nil
}
