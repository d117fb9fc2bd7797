package db

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"github.com/berthhq/berth/appliance"
)

const (
	// EventsKeepSetting is how many events are kept.
	EventsKeepSetting = "events-keep"

	// DefaultEventsKeep holds until somebody sets another.
	DefaultEventsKeep = 100_000

	// pruneEvery is by how many there may be more.
	pruneEvery = 100
)

// Record adds an event to the audit trail. Where e came from is written as the
// actor's door and origin. The oldest events go when there are too many.
func (s *Store) Record(ctx context.Context, e appliance.Event) error {
	result, err := s.db.ExecContext(ctx, `
		INSERT INTO events (at, actor, door, origin, app, action, detail, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		now(), e.Actor, e.Door, e.From, e.App, e.Action, e.Detail, e.Error)
	if err != nil {
		return err
	}
	s.recording.Lock()
	if s.recorded != nil {
		close(s.recorded)
		s.recorded = nil
	}
	s.recording.Unlock()
	if id, err := result.LastInsertId(); err != nil || id%pruneEvery != 0 {
		return err
	}
	return s.PruneEvents(ctx)
}

// PruneEvents removes the oldest events if there are too many.
func (s *Store) PruneEvents(ctx context.Context) error {
	setting, err := s.Setting(ctx, EventsKeepSetting)
	if err != nil {
		return err
	}
	keep, err := strconv.Atoi(setting)
	if err != nil {
		keep = DefaultEventsKeep
	}
	_, err = s.db.ExecContext(ctx, `DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?`, keep)
	return err
}

// Recorded returns a channel that is closed when the next event is recorded.
func (s *Store) Recorded() <-chan struct{} {
	s.recording.Lock()
	defer s.recording.Unlock()
	if s.recorded == nil {
		s.recorded = make(chan struct{})
	}
	return s.recorded
}

// Events returns the last n events about app, or about everything when app is
// "", oldest first.
func (s *Store) Events(ctx context.Context, app appliance.AppName, n int) ([]appliance.Event, error) {
	return s.FindEvents(ctx, appliance.EventQuery{App: app, Last: n})
}

// FindEvents returns the events that are wanted, oldest first.
func (s *Store) FindEvents(ctx context.Context, q appliance.EventQuery) ([]appliance.Event, error) {
	since, last := "", -1
	if !q.Since.IsZero() {
		since = q.Since.UTC().Format(time.RFC3339) // of a whole second: it sorts before all of that
		since = since[:len(since)-1]
	}
	if q.Last > 0 {
		last = q.Last
	}
	return query(ctx, s, event, `
		SELECT * FROM (
			SELECT id, at, actor, door, origin, app, action, detail, error FROM events
			WHERE (?1 = '' OR app = ?1) AND (?2 = '' OR actor = ?2)
				AND (?3 = '' OR action = ?3 OR substr(action, 1, length(?3) + 1) = ?3 || ':')
				AND at >= ?4 AND (NOT ?5 OR error <> '') AND id > ?6
			ORDER BY id DESC LIMIT ?7
		) ORDER BY id`, q.App, q.Actor, q.Action, since, q.Failed, q.After, last)
}

func event(rows *sql.Rows) (e appliance.Event, err error) {
	var at string
	if err := rows.Scan(&e.ID, &at, &e.Actor, &e.Door, &e.From, &e.App, &e.Action, &e.Detail, &e.Error); err != nil {
		return e, err
	}
	e.At, err = parseTime(at)
	return e, err
}
