package db

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// accessOf names the table with the grants to who, its column for that, and
// what is in it: a team's name follows an @.
func accessOf(who string) (table, column, name string) {
	if team, ok := strings.CutPrefix(who, "@"); ok {
		return "team_access", "team", team
	}
	return "access", "key", who
}

// Grant gives access to an app, in place of what who had there.
func (s *Store) Grant(ctx context.Context, g appliance.Grant) error {
	table, column, name := accessOf(g.Who)
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO `+table+` (app, `+column+`, level) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET level = excluded.level`, g.App, name, g.Access.String())
	if isMissingParent(err) {
		return fmt.Errorf("app %s or %s %s %w", g.App, column, name, appliance.ErrNotFound)
	}
	return err
}

// Revoke takes back what Grant gave.
func (s *Store) Revoke(ctx context.Context, app appliance.AppName, who string) error {
	table, column, name := accessOf(who)
	result, err := s.db.ExecContext(ctx, `DELETE FROM `+table+` WHERE app = ? AND `+column+` = ?`, app, name)
	if err != nil {
		return err
	}
	return affected(result, fmt.Errorf("access of %s %s to %s %w", column, name, app, appliance.ErrNotFound))
}

// Granted returns who was granted an app, teams first, by name.
func (s *Store) Granted(ctx context.Context, app appliance.AppName) ([]appliance.Grant, error) {
	return query(ctx, s, grant, `
		SELECT app, '@' || team AS who, level FROM team_access WHERE app = ?1
		UNION ALL SELECT app, key, level FROM access WHERE app = ?1
		ORDER BY who`, app)
}

// AccessTo returns what a key may do with an app, by itself or in a team, be
// the app there or not.
func (s *Store) AccessTo(ctx context.Context, app appliance.AppName, key string) (appliance.Access, error) {
	all, err := s.grants(ctx, key, app)
	return all[app], err
}

// Accesses returns what a key may do with each app of which it may do
// something.
func (s *Store) Accesses(ctx context.Context, key string) (map[appliance.AppName]appliance.Access, error) {
	return s.grants(ctx, key, "")
}

// grants is Accesses, of one app if it is named.
func (s *Store) grants(ctx context.Context, key string, app appliance.AppName) (map[appliance.AppName]appliance.Access, error) {
	list, err := query(ctx, s, grant, `
		SELECT app, key, level FROM access WHERE key = ?1 AND (app = ?2 OR ?2 = '')
		UNION ALL SELECT app, team, level FROM team_access
		WHERE team IN (SELECT team FROM team_keys WHERE key = ?1) AND (app = ?2 OR ?2 = '')`, key, app)
	best := map[appliance.AppName]appliance.Access{}
	for _, g := range list {
		best[g.App] = max(best[g.App], g.Access)
	}
	return best, err
}

func grant(rows *sql.Rows) (g appliance.Grant, err error) {
	var level string
	if err := rows.Scan(&g.App, &g.Who, &level); err != nil {
		return g, err
	}
	g.Access, err = appliance.ParseAccess(level)
	return g, err
}
