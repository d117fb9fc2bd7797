package db

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/berthhq/berth/appliance"
)

// AddBuild records b as the app's next build, which runs, and returns it with
// its number and time. Of the builds before it that have ended, the last
// keep-1 stay.
func (s *Store) AddBuild(ctx context.Context, b appliance.Build, keep int) (appliance.Build, error) {
	at := now()
	b.Status = appliance.BuildRunning
	err := s.tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `
			INSERT INTO builds (app, number, kind, status, source, commit_id, branch, builder, actor, started_at, ended_at, error, release, image)
			SELECT ?1, COALESCE(MAX(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, '', ?7, ?8, '', '', 0, '' FROM builds WHERE app = ?1
			RETURNING number`,
			b.App, b.Kind, b.Status, b.Source, b.Commit, b.Branch, b.Actor, at).Scan(&b.Number)
		if err != nil {
			return err
		}
		_, err = pruneBuilds(ctx, tx, b.App, keep)
		return err
	})
	if isMissingParent(err) {
		return b, &appliance.NoAppError{App: b.App}
	}
	if err != nil {
		return b, err
	}
	b.Started, err = parseTime(at)
	return b, err
}

// An Output is more of what a build has printed.
type Output struct {
	Chunks           []appliance.Chunk
	DropFrom, DropTo int64 // what was printed from the one byte to the other is forgotten
}

// EndBuild records how a build has ended, and the rest of what it printed.
func (s *Store) EndBuild(ctx context.Context, b appliance.Build, rest Output) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE builds SET status = ?, commit_id = ?, builder = ?, error = ?, release = ?, image = ?, ended_at = ? WHERE app = ? AND number = ?`,
			b.Status, b.Commit, b.Builder, b.Error, b.Release, b.Image, b.Ended.UTC().Format(time.RFC3339Nano), b.App, b.Number)
		if err != nil {
			return err
		}
		if err := affected(result, noBuild(b.App, b.Number)); err != nil {
			return err
		}
		return addOutput(ctx, tx, b.App, b.Number, rest)
	})
}

// AddOutput adds to what a build has printed.
func (s *Store) AddOutput(ctx context.Context, app appliance.AppName, number int, more Output) error {
	err := s.tx(ctx, func(tx *sql.Tx) error { return addOutput(ctx, tx, app, number, more) })
	if isMissingParent(err) {
		return noBuild(app, number)
	}
	return err
}

func addOutput(ctx context.Context, tx *sql.Tx, app appliance.AppName, number int, more Output) error {
	for _, c := range more.Chunks {
		_, err := tx.ExecContext(ctx, `INSERT INTO build_output (app, number, at, text) VALUES (?, ?, ?, ?)`, app, number, c.At, c.Text)
		if err != nil {
			return err
		}
	}
	if more.DropTo <= more.DropFrom {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		DELETE FROM build_output WHERE app = ? AND number = ? AND at >= ? AND at + length(text) <= ?`, app, number, more.DropFrom, more.DropTo)
	return err
}

// Output returns what a build printed, from its first bytes or those after the
// byte from on, in order.
func (s *Store) Output(ctx context.Context, app appliance.AppName, number int, from int64) ([]appliance.Chunk, error) {
	return query(ctx, s, func(rows *sql.Rows) (c appliance.Chunk, err error) {
		return c, rows.Scan(&c.At, &c.Text)
	}, `SELECT at, text FROM build_output WHERE app = ? AND number = ? AND at >= ? ORDER BY at`, app, number, from)
}

const buildColumns = `app, number, kind, status, source, commit_id, branch, builder, actor, started_at, ended_at, error, release, image`

// Build returns one build of an app, or the last if number is 0.
func (s *Store) Build(ctx context.Context, app appliance.AppName, number int) (appliance.Build, error) {
	list, err := query(ctx, s, build, `
		SELECT `+buildColumns+` FROM builds WHERE app = ?1 AND (?2 = 0 OR number = ?2) ORDER BY number DESC LIMIT 1`, app, number)
	if err != nil {
		return appliance.Build{}, err
	}
	if len(list) == 0 {
		return appliance.Build{}, noBuild(app, number)
	}
	return list[0], nil
}

// Builds returns the builds of an app, newest first.
func (s *Store) Builds(ctx context.Context, app appliance.AppName) ([]appliance.Build, error) {
	return query(ctx, s, build, `SELECT `+buildColumns+` FROM builds WHERE app = ? ORDER BY number DESC`, app)
}

// RunningBuilds returns the builds of every app that have not ended, in the
// order they began in.
func (s *Store) RunningBuilds(ctx context.Context) ([]appliance.Build, error) {
	return query(ctx, s, build, `SELECT `+buildColumns+` FROM builds WHERE status = ? ORDER BY rowid`, appliance.BuildRunning)
}

// AbandonBuilds records that what still runs according to the store does not.
func (s *Store) AbandonBuilds(ctx context.Context, why string) error {
	_, err := s.db.ExecContext(ctx, `UPDATE builds SET status = ?, error = ?, ended_at = ? WHERE status = ?`,
		appliance.BuildAbandoned, why, now(), appliance.BuildRunning)
	return err
}

// PruneBuilds forgets all builds of an app that have ended but the last keep,
// and returns how many.
func (s *Store) PruneBuilds(ctx context.Context, app appliance.AppName, keep int) (n int64, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) (err error) {
		n, err = pruneBuilds(ctx, tx, app, keep)
		return err
	})
	return n, err
}

func pruneBuilds(ctx context.Context, tx *sql.Tx, app appliance.AppName, keep int) (int64, error) {
	result, err := tx.ExecContext(ctx, `
		DELETE FROM builds WHERE app = ?1 AND status <> ?2 AND number NOT IN (
			SELECT number FROM builds WHERE app = ?1 ORDER BY number DESC LIMIT ?3)`, app, appliance.BuildRunning, keep)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func noBuild(app appliance.AppName, number int) error {
	if number == 0 {
		return fmt.Errorf("build of %s %w", app, appliance.ErrNotFound)
	}
	return fmt.Errorf("build %d of %s %w", number, app, appliance.ErrNotFound)
}

func build(rows *sql.Rows) (b appliance.Build, err error) {
	var started, ended string
	err = rows.Scan(&b.App, &b.Number, &b.Kind, &b.Status, &b.Source, &b.Commit, &b.Branch, &b.Builder, &b.Actor, &started, &ended,
		&b.Error, &b.Release, &b.Image)
	if err != nil {
		return b, err
	}
	if b.Started, err = parseTime(started); err != nil || ended == "" {
		return b, err
	}
	b.Ended, err = parseTime(ended)
	return b, err
}
