package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

type access struct {
	store *db.Store
}

// Access returns the commands about which keys may do what with which app.
func Access(store *db.Store) []Command {
	a := access{store}
	return []Command{
		{Name: "access:grant", Args: "<app> <key|@team> [<level>]", Short: "let a key, or a team of keys, view, deploy (if no level is given) or admin an app", For: Manager, Run: a.grant},
		{Name: "access:revoke", Args: "<app> <key|@team>", Short: "take that back", For: Manager, Run: a.revoke},
		{Name: "access:list", Args: "<app>", Short: "list the keys and teams with access to an app", For: Viewer, Reads: true, Run: a.list, Flags: listing},
	}
}

func (a access) grant(ctx context.Context, c *Call) error {
	g := appliance.Grant{App: c.App, Who: c.Args[1], Access: appliance.DeployAccess}
	if len(c.Args) > 2 {
		level, err := appliance.ParseAccess(c.Args[2])
		if err != nil {
			return err
		}
		g.Access = level
	}
	if err := a.store.Grant(ctx, g); err != nil {
		return missing(err, g.Who)
	}
	fmt.Fprintf(c.Stdout, "-----> %s has %s access to %s\n", g.Who, g.Access, g.App)
	return nil
}

// missing says where to look for what there is.
func missing(err error, who string) error {
	if strings.HasPrefix(who, "@") {
		return appliance.WithHint(err, "an admin makes teams: teams:create "+strings.TrimPrefix(who, "@"))
	}
	return appliance.WithHint(err, "an admin lets keys in: ssh-keys:add "+who)
}

func (a access) revoke(ctx context.Context, c *Call) error {
	if err := a.store.Revoke(ctx, c.App, c.Args[1]); err != nil {
		return appliance.WithHint(err, fmt.Sprintf("access:list %s shows who has access", c.App))
	}
	fmt.Fprintf(c.Stdout, "-----> %s was granted %s no more\n", c.Args[1], c.App)
	return nil
}

func (a access) list(ctx context.Context, c *Call) error {
	list, err := a.store.Granted(ctx, c.App)
	if err != nil {
		return err
	}
	rows := []string{}
	for _, g := range list {
		rows = append(rows, fmt.Sprintf("%-24s %s", g.Who, g.Access))
	}
	return c.List(string(c.App)+" access", append([]appliance.Grant{}, list...), rows)
}
