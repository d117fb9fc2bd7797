package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/berthhq/berth/appliance"
)

// AddOneOff records a one-off that is about to be detached, and returns it with
// its id. ErrExists is about its name, or about the minute that it was due at.
func (s *Store) AddOneOff(ctx context.Context, o appliance.OneOff) (appliance.OneOff, error) {
	command, err := json.Marshal(o.Command)
	if err != nil {
		return o, err
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `
			INSERT INTO oneoffs (app, name, cron, due, command, release, actor, started_at, deadline, ended_at, status, error, output)
			VALUES (?, ?, ?, ?, x'', ?, ?, ?, ?, '', 0, '', x'') RETURNING id`,
			o.App, o.Name, o.Cron, stamp(o.Due), o.Release, o.Actor, stamp(o.Started), stamp(o.Deadline)).Scan(&o.ID)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE oneoffs SET command = ? WHERE id = ?`, s.seal.close(command, oneOffPlace(o.ID, "command")...), o.ID)
		return err
	})
	switch {
	case isDuplicate(err):
		return o, fmt.Errorf("%s %w", o.FullName(), appliance.ErrExists)
	case isMissingParent(err):
		return o, &appliance.NoAppError{App: o.App}
	}
	return o, err
}

// EndOneOff records how a one-off has ended, and what it printed. Of the ones
// of its kind that have ended, the last keep stay.
func (s *Store) EndOneOff(ctx context.Context, o appliance.OneOff, output []byte, keep int) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE oneoffs SET ended_at = ?, status = ?, error = ?, output = ? WHERE id = ?`,
			stamp(o.Ended), o.Status, o.Error, s.seal.close(output, oneOffPlace(o.ID, "output")...), o.ID)
		if err != nil {
			return err
		}
		// By the row: its app may have got another name meanwhile.
		_, err = tx.ExecContext(ctx, `
			DELETE FROM oneoffs WHERE ended_at <> '' AND app = (SELECT app FROM oneoffs WHERE id = ?1) AND cron = ?2 AND id NOT IN (
				SELECT id FROM oneoffs WHERE app = (SELECT app FROM oneoffs WHERE id = ?1) AND cron = ?2 AND ended_at <> '' ORDER BY id DESC LIMIT ?3)`,
			o.ID, o.Cron, keep)
		return err
	})
}

// RemoveOneOff forgets a one-off that did not come to run.
func (s *Store) RemoveOneOff(ctx context.Context, id int64) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM oneoffs WHERE id = ?`, id)
	return err
}

const oneOffColumns = `id, app, name, cron, due, command, release, actor, started_at, deadline, ended_at, status, error`

// OneOffs returns the one-offs of an app that are remembered, or of every app
// when app is "", in the order they began in.
func (s *Store) OneOffs(ctx context.Context, app appliance.AppName) ([]appliance.OneOff, error) {
	return query(ctx, s, s.oneOff, `SELECT `+oneOffColumns+` FROM oneoffs WHERE ?1 = '' OR app = ?1 ORDER BY id`, app)
}

// RunningOneOffs returns those of every app that have not ended.
func (s *Store) RunningOneOffs(ctx context.Context) ([]appliance.OneOff, error) {
	return query(ctx, s, s.oneOff, `SELECT `+oneOffColumns+` FROM oneoffs WHERE ended_at = '' ORDER BY id`)
}

// OneOff returns a one-off, and what it printed if it has ended.
func (s *Store) OneOff(ctx context.Context, id int64) (appliance.OneOff, []byte, error) {
	list, err := query(ctx, s, s.oneOff, `SELECT `+oneOffColumns+` FROM oneoffs WHERE id = ?`, id)
	if err != nil {
		return appliance.OneOff{}, nil, err
	}
	if len(list) == 0 {
		return appliance.OneOff{}, nil, fmt.Errorf("one-off %w", appliance.ErrNotFound)
	}
	var output []byte
	err = s.db.QueryRowContext(ctx, `SELECT output FROM oneoffs WHERE id = ?`, id).Scan(&output)
	if noRows(err, nil) != nil || len(output) == 0 {
		return list[0], nil, noRows(err, nil)
	}
	output, err = s.seal.open(output, oneOffPlace(id, "output")...)
	return list[0], output, err
}

// oneOffPlace is what is sealed with a part of a one-off: not the app, which
// may get another name.
func oneOffPlace(id int64, part string) []string {
	return []string{"oneoffs", strconv.FormatInt(id, 10), part}
}

func (s *Store) oneOff(rows *sql.Rows) (o appliance.OneOff, err error) {
	var due, started, deadline, ended string
	var command []byte
	err = rows.Scan(&o.ID, &o.App, &o.Name, &o.Cron, &due, &command, &o.Release, &o.Actor, &started, &deadline, &ended, &o.Status, &o.Error)
	if err != nil {
		return o, err
	}
	var errs []error
	for text, at := range map[*string]*time.Time{&due: &o.Due, &started: &o.Started, &deadline: &o.Deadline, &ended: &o.Ended} {
		if *text == "" {
			continue
		}
		var err error
		*at, err = parseTime(*text)
		errs = append(errs, err)
	}
	text, err := s.seal.open(command, oneOffPlace(o.ID, "command")...)
	if err != nil {
		return o, err
	}
	return o, errors.Join(append(errs, json.Unmarshal(text, &o.Command))...)
}

// stamp is a time as it is kept: "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
