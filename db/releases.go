package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/berthhq/berth/appliance"
)

// AddRelease keeps r as the app's next release, whose deploy is to come, and
// returns it with its version and time.
func (s *Store) AddRelease(ctx context.Context, r appliance.Release) (appliance.Release, error) {
	procfile, err := json.Marshal(r.Procfile)
	if err != nil {
		return r, err
	}
	secret, err := json.Marshal(secrets{r.Env, r.Services, r.AppJSON})
	if err != nil {
		return r, err
	}
	formation, err := json.Marshal(r.Formation)
	if err != nil {
		return r, err
	}
	pushed, err := json.Marshal(r.Pushed)
	if err != nil {
		return r, err
	}
	at := now()
	r.Status = appliance.ReleasePending
	err = s.tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) + 1 FROM releases WHERE app = ?`, r.App).Scan(&r.Version)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO releases (app, version, image, builder, stack, commit_id, procfile, port, reason, actor, created_at, sealed, status, restores, formation, pushed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.App, r.Version, r.Image, r.Builder, r.Stack, r.Commit, string(procfile), r.Port, r.Reason, r.Actor, at,
			s.seal.close(secret, releasePlace(string(r.App), strconv.Itoa(r.Version))...), r.Status, r.Restores, string(formation), string(pushed))
		return err
	})
	if isMissingParent(err) {
		return r, &appliance.NoAppError{App: r.App}
	}
	if err != nil {
		return r, err
	}
	r.CreatedAt, err = parseTime(at)
	return r, err
}

// secrets is what is sealed of a release: the environment, and what may have
// been made with it.
type secrets struct {
	Env      map[string]string            `json:"env"`
	Services map[string]appliance.Service `json:"services"`
	AppJSON  appliance.AppJSON            `json:"app_json"`
}

const releaseColumns = `app, version, image, builder, stack, commit_id, procfile, port, reason, actor, created_at, sealed, status, restores, formation, pushed`

// Release returns one release of an app.
func (s *Store) Release(ctx context.Context, name appliance.AppName, version int) (appliance.Release, error) {
	list, err := query(ctx, s, s.release, `SELECT `+releaseColumns+` FROM releases WHERE app = ? AND version = ?`, name, version)
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
	return query(ctx, s, s.release, `
		SELECT `+releaseColumns+` FROM releases WHERE app = ? ORDER BY version DESC LIMIT ?`, name, n)
}

// SetPushed records where registries have the images of a release.
func (s *Store) SetPushed(ctx context.Context, name appliance.AppName, version int, pushed []appliance.Pushed) error {
	text, err := json.Marshal(pushed)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, `UPDATE releases SET pushed = ? WHERE app = ? AND version = ?`, string(text), name, version)
	return err
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

func (s *Store) release(rows *sql.Rows) (r appliance.Release, err error) {
	var procfile, at, formation, pushed string
	var sealed []byte
	err = rows.Scan(&r.App, &r.Version, &r.Image, &r.Builder, &r.Stack, &r.Commit, &procfile, &r.Port, &r.Reason, &r.Actor, &at, &sealed,
		&r.Status, &r.Restores, &formation, &pushed)
	if err != nil {
		return r, err
	}
	text, err := s.seal.open(sealed, releasePlace(string(r.App), strconv.Itoa(r.Version))...)
	if err != nil {
		return r, err
	}
	var secret secrets
	if err := json.Unmarshal(text, &secret); err != nil {
		return r, fmt.Errorf("release v%d of %s is damaged", r.Version, r.App) // the error could quote a secret
	}
	r.Env, r.Services, r.AppJSON = secret.Env, secret.Services, secret.AppJSON
	r.CreatedAt, err = parseTime(at)
	return r, errors.Join(err, json.Unmarshal([]byte(procfile), &r.Procfile), json.Unmarshal([]byte(formation), &r.Formation), json.Unmarshal([]byte(pushed), &r.Pushed))
}
