package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// groupAliases are other names that Dokku has for groups of commands.
var groupAliases = map[string]string{
	"docker-local": "scheduler-docker-local",
	"dockerfile":   "builder-dockerfile",
	"herokuish":    "builder-herokuish",
	"k3s":          "scheduler-k3s",
	"lambda":       "builder-lambda",
	"nixpacks":     "builder-nixpacks",
	"rails":        "builder-railpack",
	"railpack":     "builder-railpack",
	"pack":         "builder-pack",
	"redirect":     "redirects",
}

// find returns the command that a command line names, and its arguments.
func (s *Set) find(ctx context.Context, session *Session, args []string) (Command, []string, error) {
	if len(args) == 0 {
		return s.commands["help"], nil, nil
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "--help":
		return s.commands["help"], rest, nil
	case "-v", "--version":
		name = "version"
	}
	if c, ok := s.commands[name]; ok {
		return c, rest, nil
	}
	full := fullName(name)
	if c, ok := s.commands[full]; ok {
		return c, rest, nil
	}
	group, verb, _ := strings.Cut(full, ":")
	if why := insteadOf(full); why != "" {
		return Command{}, nil, appliance.WithHint(&unknownError{session.program(), name}, why+"`help` lists the commands")
	}
	visible, err := s.visible(ctx, session.Actor)
	if err != nil {
		return Command{}, nil, err
	}
	if (verb == "help" || verb == "" && len(rest) == 0) && slices.ContainsFunc(visible, func(c Command) bool { return c.group() == group }) {
		return s.commands["help"], []string{group}, nil
	}
	hint := "`help` lists the commands"
	if session.Program != "" {
		hint = fmt.Sprintf("See `%s help` for a list of available commands.", session.Program)
	}
	known := commandNames(visible)
	if strings.HasPrefix(name, "-") {
		known = leadingFlags
	}
	return Command{}, nil, appliance.WithHint(&unknownError{session.program(), name}, didYouMean(name, known)+hint)
}

// fullName is the name of a command whose group may be an alias.
func fullName(name string) string {
	group, verb, _ := strings.Cut(name, ":")
	if full, ok := groupAliases[group]; ok {
		return strings.TrimSuffix(full+":"+verb, ":")
	}
	return name
}

// visible returns the commands for people that the actor may use, on one app or
// another, by name.
func (s *Set) visible(ctx context.Context, actor appliance.Actor) ([]Command, error) {
	list := slices.DeleteFunc(s.All(), func(c Command) bool { return c.Hidden })
	if actor.Admin && actor.Name != "" {
		return list, nil
	}
	access, err := s.store.Accesses(ctx, actor.Name)
	if err != nil {
		return nil, err
	}
	best := appliance.NoAccess
	for _, a := range access {
		best = max(best, a)
	}
	return slices.DeleteFunc(list, func(c Command) bool { return best < c.For.least() && !c.Bare }), nil
}

// group is the part of the command's name that others have too, as in apps.
func (c Command) group() string {
	group, _, _ := strings.Cut(c.Name, ":")
	return group
}

// An unknownError is an ErrUsage about a command that there is not.
type unknownError struct{ program, name string }

func (e *unknownError) Error() string {
	name := strings.Trim(fmt.Sprintf("%.60q", e.name), `"`) // no control characters
	return fmt.Sprintf("`%s` is not a %s command", name, e.program)
}

func (e *unknownError) Is(target error) bool { return target == ErrUsage }
