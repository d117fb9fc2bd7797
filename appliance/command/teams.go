package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

type teams struct {
	store *db.Store
}

// Teams returns the commands about keys that are granted apps together.
func Teams(store *db.Store) []Command {
	t := teams{store}
	return []Command{
		{Name: "teams:create", Args: "<team>", Short: "make a team of keys", Run: t.create},
		{Name: "teams:destroy", Args: "<team>", Short: "forget a team, and what it gave access to", Run: t.destroy, Flags: force},
		{Name: "teams:list", Args: "[<team>]", Short: "list the teams and their keys", Reads: true, Run: t.list, Flags: listing},
		{Name: "teams:add", Args: "<team> <key>...", Short: "add keys to a team", Run: t.add},
		{Name: "teams:remove", Args: "<team> <key>...", Short: "take keys out of a team", Run: t.remove},
	}
}

func (t teams) create(ctx context.Context, c *Call) error {
	name := strings.TrimPrefix(c.Args[0], "@")
	if err := checkName("team", name); err != nil {
		return err
	}
	if err := t.store.CreateTeam(ctx, name); err != nil {
		return appliance.WithHint(err, "teams:list shows the teams there are")
	}
	fmt.Fprintf(c.Stdout, "-----> Created the team %s\n", name)
	return nil
}

func (t teams) destroy(ctx context.Context, c *Call) error {
	name := strings.TrimPrefix(c.Args[0], "@")
	if !c.Bool("force") {
		all, err := t.store.Teams(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(t appliance.Team) bool { return t.Name == name }) {
			if err := confirm(c, "the team "+name+", and what it gave access to", name, "teams:destroy "+name); err != nil {
				return err
			}
		}
	}
	if err := t.store.DestroyTeam(ctx, name); err != nil {
		return appliance.WithHint(err, "teams:list shows the teams there are")
	}
	fmt.Fprintf(c.Stdout, "-----> Destroyed the team %s\n", name)
	return nil
}

func (t teams) add(ctx context.Context, c *Call) error {
	name := strings.TrimPrefix(c.Args[0], "@")
	if err := t.store.AddToTeam(ctx, name, c.Args[1:]...); err != nil {
		return appliance.WithHint(err, "teams:list shows the teams there are, ssh-keys:list the keys")
	}
	fmt.Fprintf(c.Stdout, "-----> Added %s to %s\n", strings.Join(c.Args[1:], ", "), name)
	return nil
}

func (t teams) remove(ctx context.Context, c *Call) error {
	name := strings.TrimPrefix(c.Args[0], "@")
	if err := t.store.RemoveFromTeam(ctx, name, c.Args[1:]...); err != nil {
		return appliance.WithHint(err, "teams:list "+name+" shows who is in it")
	}
	fmt.Fprintf(c.Stdout, "-----> Removed %s from %s\n", strings.Join(c.Args[1:], ", "), name)
	return nil
}

func (t teams) list(ctx context.Context, c *Call) error {
	list, err := t.store.Teams(ctx)
	if err != nil {
		return err
	}
	if len(c.Args) > 0 {
		name := strings.TrimPrefix(c.Args[0], "@")
		if list = slices.DeleteFunc(list, func(t appliance.Team) bool { return t.Name != name }); len(list) == 0 {
			return appliance.WithHint(fmt.Errorf("team %.80q %w", name, appliance.ErrNotFound), "teams:list shows the teams there are")
		}
	}
	rows := []string{}
	for _, team := range list {
		rows = append(rows, strings.TrimSpace(fmt.Sprintf("%-24s %s", team.Name, strings.Join(team.Keys, " "))))
	}
	return c.List("Teams", append([]appliance.Team{}, list...), rows)
}
