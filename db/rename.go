package db

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// RenameApp gives an app, with all that belongs to it, another name. Its
// handle stays. Its events stay under the name that they happened to. Builds
// that wait for their turn are canceled: nobody finds the app they are for.
func (s *Store) RenameApp(ctx context.Context, from, to appliance.AppName) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		// Until the end of the transaction what belongs to the app may point
		// to a name that is not there.
		if _, err := tx.ExecContext(ctx, `PRAGMA defer_foreign_keys = ON`); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `UPDATE apps SET name = ? WHERE name = ?`, to, from)
		if isDuplicate(err) {
			return fmt.Errorf("app %s %w", to, appliance.ErrExists)
		}
		if err != nil {
			return err
		}
		if err := affected(result, &appliance.NoAppError{App: from}); err != nil {
			return err
		}
		tables, err := ofApps(ctx, tx)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET app = ? WHERE app = ?`, to, from); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		for _, sealed := range []move{ofConfig, ofSettings, ofReleases} {
			if err := s.reseal(ctx, tx, sealed, from, to); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE builds SET status = ?, ended_at = ?, error = ? WHERE app = ? AND ended_at = ''`,
			appliance.BuildCanceled, now(), fmt.Sprintf("the app was renamed from %s to %s", from, to), to)
		return err
	})
}

// ofApps returns the tables that have a column for the app a row is of, but
// for the audit trail, which is never rewritten.
func ofApps(ctx context.Context, tx *sql.Tx) (tables []string, err error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT t.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
		WHERE t.type = 'table' AND c.name = 'app' AND t.name <> 'events' ORDER BY t.name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		tables = append(tables, `"`+strings.ReplaceAll(name, `"`, `""`)+`"`)
	}
	return tables, rows.Err()
}
