// Package db keeps what the appliance must remember, in one SQLite file.
package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// A Store is the appliance's memory. Its methods return the errors of package
// appliance: ErrNotFound, ErrExists. What a method has written is on the disk
// when it returns.
type Store struct {
	db   *sql.DB
	seal seal

	// Settings are asked for all the time, and what is asked takes as long to
	// read as the answer to find.
	readSetting, readAppSetting *sql.Stmt

	recording sync.Mutex    // guards recorded
	recorded  chan struct{} // closed at the next event, if somebody waits
}

// Open opens the store at path, making it if need be, readable by its owner
// only, and brings its schema up to date. What may be secret is sealed under
// the key in secret.key beside it, which is made with the store.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := private(path); err != nil {
		return nil, err
	}
	// In the DSN, so that every connection of the pool gets them: a PRAGMA
	// that is executed reaches one connection only.
	settings := url.Values{
		"_pragma": {"foreign_keys(1)", "journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: settings.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(4)
	s := &Store{db: db}
	if err := s.migrate(ctx, filepath.Join(filepath.Dir(path), secretKeyName)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	if err := s.scrub(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("scrub %s: %w", path, err), db.Close())
	}
	if s.readSetting, err = db.PrepareContext(ctx, `SELECT value FROM settings WHERE name = ?2`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if s.readAppSetting, err = db.PrepareContext(ctx, `SELECT value FROM app_settings WHERE app = ?1 AND name = ?2`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// private makes the file at path if it is missing, and its owner's only if it
// was put there with another mode, as from a backup. SQLite gives its journals
// the mode of the file.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// Close closes the store.
func (s *Store) Close() error {
	return errors.Join(s.readSetting.Close(), s.readAppSetting.Close(), s.db.Close())
}

// migrate reads or makes the key, and applies the migrations that the file has
// not seen. SQLite's user_version counts those it has.
func (s *Store) migrate(ctx context.Context, key string) error {
	files, err := fs.Glob(migrations, "migrations/*.sql") // sorted by name
	if err != nil {
		return err
	}
	var seen int
	if err := s.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&seen); err != nil {
		return err
	}
	if seen > len(files) {
		return fmt.Errorf("schema %d is newer than this binary knows (%d): install the newer berth again, or restore a backup from before its upgrade", seen, len(files))
	}
	fits, err := s.fits(ctx)
	if err != nil {
		return err
	}
	if s.seal, err = secretKey(key, fits); err != nil {
		return err
	}
	for i, file := range files[seen:] {
		script, err := migrations.ReadFile(file)
		if err != nil {
			return err
		}
		err = s.tx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, string(script)); err != nil {
				return err
			}
			if strings.HasSuffix(file, "_sealed.sql") {
				if err := s.sealAll(ctx, tx, seen == 0); err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", seen+i+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate: %s: %w", file, err)
		}
	}
	return nil
}

// tx runs fn in a transaction that is rolled back when fn fails.
func (s *Store) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect once committed
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// query returns what scan makes of every row.
func query[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	rows, err := s.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// text scans a row of one column.
func text(rows *sql.Rows) (v string, err error) { return v, rows.Scan(&v) }

// affected returns none unless result changed a row.
func affected(result sql.Result, none error) error {
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return none
	}
	return nil
}

func isDuplicate(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == lib.SQLITE_CONSTRAINT_UNIQUE)
}

func isMissingParent(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code() == lib.SQLITE_CONSTRAINT_FOREIGNKEY
}

func now() string { return time.Now().UTC().Format(time.RFC3339Nano) }

func parseTime(s string) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) }
