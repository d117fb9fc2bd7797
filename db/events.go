package db

import (
	"context"
	"database/sql"

	"github.com/berthhq/berth/appliance"
)

// Record adds an event to the audit trail. Where e came from is written as the
// actor's door and origin.
func (s *Store) Record(ctx context.Context, e appliance.Event) error {
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO events (at, actor, door, origin, app, action, detail, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		now(), e.Actor, e.Door, e.From, e.App, e.Action, e.Detail, e.Error)
	return err
}

// Events returns the last n events about app, or about everything when app is
// "", oldest first.
func (s *Store) Events(ctx context.Context, app appliance.AppName, n int) ([]appliance.Event, error) {
	return query(ctx, s, event, `
		SELECT * FROM (
			SELECT id, at, actor, door, origin, app, action, detail, error FROM events
			WHERE ?1 = '' OR app = ?1 ORDER BY id DESC LIMIT ?2
		) ORDER BY id`, app, n)
}

func event(rows *sql.Rows) (e appliance.Event, err error) {
	var at string
	if err := rows.Scan(&e.ID, &at, &e.Actor, &e.Door, &e.From, &e.App, &e.Action, &e.Detail, &e.Error); err != nil {
		return e, err
	}
	e.At, err = parseTime(at)
	return e, err
}
