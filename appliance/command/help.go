package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

func (s *Set) helpCommand() Command {
	return Command{Name: "help", Args: "[<command>]", Short: "say what there is to do, and how", For: Anyone, Reads: true, Run: s.help, Flags: func(fs *pflag.FlagSet) {
		fs.Bool("all", false, "every command, not only the groups of them")
		fs.Bool("man", false, "as a manual page: berth help --man config:set | man -l -")
	}}
}

// help shows the groups of commands, a group, or a command. It has only what
// who asks may use.
func (s *Set) help(ctx context.Context, c *Call) error {
	visible, err := s.visible(ctx, c.Actor)
	if err != nil {
		return err
	}
	about := strings.TrimSuffix(strings.Join(c.Args, ""), ":help")
	about = fullName(about)
	group := slices.DeleteFunc(slices.Clone(visible), func(c Command) bool { return c.group() != about })
	i := slices.IndexFunc(visible, func(c Command) bool { return c.Name == about })
	switch {
	case c.Bool("man") && i >= 0:
		group = visible[i : i+1]
		fallthrough
	case c.Bool("man") && len(group) > 0:
		return writeMan(c.Stdout, about, group)
	case c.Bool("man") && about == "":
		return writeMan(c.Stdout, "", visible)
	case about == "" && c.Bool("all"):
		fmt.Fprintf(c.Stdout, usageText, c.program())
		writeCommands(c, "Commands", visible)
	case about == "":
		fmt.Fprintf(c.Stdout, usageText, c.program())
		writeGroups(c, visible)
	case i >= 0:
		visible[i].page().write(c.Stdout)
		if others := slices.DeleteFunc(group, func(c Command) bool { return c.Name == about }); len(others) > 0 {
			fmt.Fprintln(c.Stdout)
			writeCommands(c, "MORE", others)
		}
	case len(group) > 0:
		fmt.Fprintf(c.Stdout, "Usage: %s[:COMMAND] [<app>] [options]\n\n%s.\n\n", about, capital(groups[about]))
		writeCommands(c, "Commands", group)
	default:
		begin := slices.DeleteFunc(visible, func(c Command) bool { return !strings.HasPrefix(c.Name, about) })
		if len(begin) == 0 {
			return s.noHelp(ctx, c, about)
		}
		writeCommands(c, "Commands", begin)
	}
	return nil
}

const usageText = `Usage: %s [--quiet|--force|--app <app>] COMMAND <app> [options]

"help COMMAND" tells about a command, "help GROUP" about a group of them, such
as "help apps", and "help --all" lists all commands.

`

func (s *Set) noHelp(ctx context.Context, c *Call, about string) error {
	visible, err := s.visible(ctx, c.Actor)
	if err != nil {
		return err
	}
	return appliance.WithHint(fmt.Errorf("command %.60q %w", about, appliance.ErrNotFound), cmp.Or(insteadOf(about), didYouMean(about, commandNames(visible)))+"`help` lists the commands")
}

// writeGroups lists the groups of the commands, and those commands that are
// none of a group.
func writeGroups(c *Call, list []Command) {
	fmt.Fprint(c.Stdout, "Commands:\n\n")
	for len(list) > 0 {
		group, n := list[0].group(), 1
		for n < len(list) && list[n].group() == group {
			n++
		}
		about := groups[group]
		if about == "" {
			about = list[0].Short
		}
		fmt.Fprintf(c.Stdout, "    %-24s %s\n", group, about)
		list = list[n:]
	}
}

func writeCommands(c *Call, heading string, list []Command) {
	if !c.Bool("quiet") {
		fmt.Fprintf(c.Stdout, "%s:\n\n", heading)
	}
	for _, c2 := range list {
		fmt.Fprintf(c.Stdout, "    %-44s %s\n", c2.line(), c2.Short)
	}
}

func commandNames(list []Command) (names []string) {
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
