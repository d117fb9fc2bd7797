package db

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

// CreateTeam makes a team without keys.
func (s *Store) CreateTeam(ctx context.Context, name string) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO teams (name, created_at) VALUES (?, ?)`, name, now())
	if isDuplicate(err) {
		return fmt.Errorf("team %s %w", name, appliance.ErrExists)
	}
	return err
}

// DestroyTeam forgets a team, and what it gave access to.
func (s *Store) DestroyTeam(ctx context.Context, name string) error {
	result, err := s.db.ExecContext(ctx, `DELETE FROM teams WHERE name = ?`, name)
	if err != nil {
		return err
	}
	return affected(result, fmt.Errorf("team %s %w", name, appliance.ErrNotFound))
}

// AddToTeam adds keys to a team, or none if one of them is not there. Adding
// twice is no error.
func (s *Store) AddToTeam(ctx context.Context, team string, keys ...string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, key := range keys {
			_, err := tx.ExecContext(ctx, `INSERT INTO team_keys (team, key) VALUES (?, ?) ON CONFLICT DO NOTHING`, team, key)
			if isMissingParent(err) {
				return fmt.Errorf("team %s or key %s %w", team, key, appliance.ErrNotFound)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveFromTeam takes keys out of a team, or none if one of them is not in it.
func (s *Store) RemoveFromTeam(ctx context.Context, team string, keys ...string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, key := range keys {
			result, err := tx.ExecContext(ctx, `DELETE FROM team_keys WHERE team = ? AND key = ?`, team, key)
			if err != nil {
				return err
			}
			if err := affected(result, fmt.Errorf("key %s in team %s %w", key, team, appliance.ErrNotFound)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Teams returns every team with its keys, by name.
func (s *Store) Teams(ctx context.Context) ([]appliance.Team, error) {
	type row struct {
		team string
		key  sql.NullString
	}
	rows, err := query(ctx, s, func(r *sql.Rows) (row row, err error) {
		return row, r.Scan(&row.team, &row.key)
	}, `SELECT name, key FROM teams LEFT JOIN team_keys ON team = name ORDER BY name, key`)
	var list []appliance.Team
	for _, row := range rows {
		if len(list) == 0 || list[len(list)-1].Name != row.team {
			list = append(list, appliance.Team{Name: row.team, Keys: []string{}})
		}
		if last := &list[len(list)-1]; row.key.Valid {
			last.Keys = append(last.Keys, row.key.String)
		}
	}
	return list, err
}
