package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

// AddRelease keeps r as the app's next release, whose deploy is to come, and
// returns it with its version and time.
func (s *Store) AddRelease(ctx context.Context, r appliance.Release) (appliance.Release, error) {
	env, err := json.Marshal(r.Env)
	if err != nil {
		return r, err
	}
	procfile, err := json.Marshal(r.Procfile)
	if err != nil {
		return r, err
	}
	appJSON, err := json.Marshal(r.AppJSON)
	if err != nil {
		return r, err
	}
	services, err := json.Marshal(r.Services)
	if err != nil {
		return r, err
	}
	formation, err := json.Marshal(r.Formation)
	if err != nil {
		return r, err
	}
	at := now()
	r.Status = appliance.ReleasePending
	err = s.db.QueryRowContext(ctx, `
		INSERT INTO releases (app, version, image, builder, stack, commit_id, env, procfile, port, reason, actor, created_at, app_json, services,
			status, restores, formation)
		SELECT ?1, COALESCE(MAX(version), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16 FROM releases WHERE app = ?1
		RETURNING version`,
		r.App, r.Image, r.Builder, r.Stack, r.Commit, string(env), string(procfile), r.Port, r.Reason, r.Actor, at,
		string(appJSON), string(services), r.Status, r.Restores, string(formation)).Scan(&r.Version)
	if isMissingParent(err) {
		return r, &appliance.NoAppError{App: r.App}
	}
	if err != nil {
		return r, err
	}
	r.CreatedAt, err = parseTime(at)
	return r, err
}

const releaseColumns = `app, version, image, builder, stack, commit_id, env, procfile, port, reason, actor, created_at, app_json, services,
	status, restores, formation`

// Release returns one release of an app.
func (s *Store) Release(ctx context.Context, name appliance.AppName, version int) (appliance.Release, error) {
	list, err := query(ctx, s, release, `SELECT `+releaseColumns+` FROM releases WHERE app = ? AND version = ?`, name, version)
	if err != nil {
		return appliance.Release{}, err
	}
	if len(list) == 0 {
		return appliance.Release{}, fmt.Errorf("release v%d of %s %w", version, name, appliance.ErrNotFound)
	}
	return list[0], nil
}

// Releases returns an app's last n releases, newest first, or all when n is
// negative.
func (s *Store) Releases(ctx context.Context, name appliance.AppName, n int) ([]appliance.Release, error) {
	return query(ctx, s, release, `
		SELECT `+releaseColumns+` FROM releases WHERE app = ? ORDER BY version DESC LIMIT ?`, name, n)
}

// FailRelease records that the first deploy of a release has failed. A release
// that has been live is not changed.
func (s *Store) FailRelease(ctx context.Context, name appliance.AppName, version int) error {
	_, err := s.db.ExecContext(ctx, `UPDATE releases SET status = ? WHERE app = ? AND version = ? AND status = ?`,
		appliance.ReleaseFailed, name, version, appliance.ReleasePending)
	return err
}

// AbandonReleases records that no deploy goes on any more: what is pending has
// failed.
func (s *Store) AbandonReleases(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, `UPDATE releases SET status = ? WHERE status = ?`, appliance.ReleaseFailed, appliance.ReleasePending)
	return err
}

// DeleteReleases forgets releases of an app, but neither the live one nor the
// newest: the next is numbered after it.
func (s *Store) DeleteReleases(ctx context.Context, name appliance.AppName, versions ...int) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, version := range versions {
			_, err := tx.ExecContext(ctx, `
				DELETE FROM releases WHERE app = ?1 AND version = ?2
					AND version <> (SELECT live_release FROM apps WHERE name = ?1)
					AND version < (SELECT MAX(version) FROM releases WHERE app = ?1)`, name, version)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func release(rows *sql.Rows) (r appliance.Release, err error) {
	var env, procfile, at, appJSON, services, formation string
	err = rows.Scan(&r.App, &r.Version, &r.Image, &r.Builder, &r.Stack, &r.Commit, &env, &procfile, &r.Port, &r.Reason, &r.Actor, &at,
		&appJSON, &services, &r.Status, &r.Restores, &formation)
	if err != nil {
		return r, err
	}
	r.CreatedAt, err = parseTime(at)
	return r, errors.Join(err, json.Unmarshal([]byte(env), &r.Env), json.Unmarshal([]byte(procfile), &r.Procfile),
		json.Unmarshal([]byte(appJSON), &r.AppJSON), json.Unmarshal([]byte(services), &r.Services),
		json.Unmarshal([]byte(formation), &r.Formation))
}
