package command

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

// completionCommands are what shells ask to complete a command line. What can
// be typed is asked for each time: so it is what the key may use, and no script
// is out of date.
func (s *Set) completionCommands() []Command {
	shells := slices.Sorted(maps.Keys(completionScripts))
	return []Command{
		{Name: "completion", Args: "<shell>", Short: "print what has " + strings.Join(shells, ", ") + " complete command lines", For: Anyone, Reads: true, Run: completion},
		{Name: "complete", Args: "[<word>...]", Short: "print what a last word could be meant to be", For: Anyone, Reads: true, Verbatim: true, Hidden: true, Run: s.complete},
	}
}

func completion(_ context.Context, c *Call) error {
	script, ok := completionScripts[c.Args[0]]
	if !ok {
		return appliance.WithHint(fmt.Errorf("shell %.40q %w", c.Args[0], appliance.ErrNotFound), "there are: "+strings.Join(slices.Sorted(maps.Keys(completionScripts)), ", "))
	}
	_, err := io.WriteString(c.Stdout, script)
	return err
}

// complete prints what the last word of a command line could become.
func (s *Set) complete(ctx context.Context, c *Call) error {
	if len(c.Args) == 0 {
		return nil
	}
	last := len(c.Args) - 1
	list, err := s.candidates(ctx, c.Session, c.Args[:last], c.Args[last])
	for _, word := range list {
		if strings.HasPrefix(word, c.Args[last]) {
			fmt.Fprintln(c.Stdout, word)
		}
	}
	return err
}

// candidates returns the words that can follow others, of which the beginning
// is given.
func (s *Set) candidates(ctx context.Context, session *Session, before []string, begin string) ([]string, error) {
	visible, err := s.visible(ctx, session.Actor)
	if err != nil {
		return nil, err
	}
	if len(before) > 0 && before[len(before)-1] == "--app" {
		return s.words(ctx, session.Actor, "<app>")
	}
	flags, before := leading(before)
	if len(before) == 0 {
		if strings.HasPrefix(begin, "-") {
			return []string{"--app", "--force", "--quiet"}, nil
		}
		return commandNames(visible), nil
	}
	i := slices.IndexFunc(visible, func(c Command) bool { return c.Name == before[0] })
	if i < 0 {
		return nil, nil
	}
	c := visible[i]
	if strings.HasPrefix(begin, "-") {
		return c.flagWords(), nil
	}
	// The word may be the value of a flag.
	fs := c.flags()
	if f := fs.Lookup(strings.TrimPrefix(before[len(before)-1], "--")); f != nil && len(before) > 1 && f.Value.Type() != "bool" && strings.HasPrefix(before[len(before)-1], "--") {
		if f.Name == "format" {
			return []string{"json", "stdout"}, nil
		}
		return nil, nil
	}
	if fs.Parse(c.lead(flags, before[1:])) != nil {
		return nil, nil
	}
	at := fs.NArg()
	if _, given := c.appFlag(fs); given || c.Global && slices.Contains(before, "--global") {
		at++
	}
	args := strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(c.Args))
	if at >= len(args) {
		if len(args) == 0 || !strings.HasSuffix(args[len(args)-1], "...") {
			return nil, nil
		}
		at = len(args) - 1
	}
	if c.group() == "ssh-keys" && args[at] == "<name>" && c.Name != "ssh-keys:add" {
		return s.words(ctx, session.Actor, "<key>")
	}
	if args[at] == "<command>" && c.Name == "help" {
		return commandNames(visible), nil
	}
	if strings.HasPrefix(args[at], "<key>") && c.group() != "teams" {
		return nil, nil // of config
	}
	return s.words(ctx, session.Actor, strings.TrimSuffix(args[at], "..."))
}

// flagWords are the flags that can be typed after the command.
func (c Command) flagWords() (list []string) {
	c.flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden || f.Name == "quiet" || f.Name == "app" {
			list = append(list, "--"+f.Name)
		}
	})
	return append(list, "--help")
}

// words are what an argument can be that has a list of what there is, as far as
// the actor may see that.
func (s *Set) words(ctx context.Context, actor appliance.Actor, arg string) (list []string, err error) {
	if arg == "<app>" {
		apps, err := Visible(ctx, s.store, actor)
		for _, app := range apps {
			list = append(list, string(app.Name))
		}
		return list, err
	}
	if arg == "<level>" {
		return []string{"admin", "deploy", "view"}, nil
	}
	if arg == "<shell>" {
		return slices.Sorted(maps.Keys(completionScripts)), nil
	}
	if !actor.Admin {
		return nil, nil
	}
	if arg == "<key>" || arg == "<key|@team>" {
		keys, err := s.store.Keys(ctx)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			list = append(list, key.Name)
		}
	}
	if arg == "<team>" || arg == "<key|@team>" {
		teams, err := s.store.Teams(ctx)
		if err != nil {
			return nil, err
		}
		at := ""
		if arg != "<team>" {
			at = "@"
		}
		for _, team := range teams {
			list = append(list, at+team.Name)
		}
	}
	return list, nil
}
