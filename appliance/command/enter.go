package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

func enterFlags(fs *pflag.FlagSet) {
	runFlags(fs)
	_ = fs.MarkHidden("ttl-seconds") // it is declared
	fs.String("container-id", "", "the container, by the beginning of its id")
}

// processName is what a process is called: a type and a number.
var processName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}\.[0-9]+$`)

// enter runs a command, or a shell, beside a process, in its container.
func (o oneOffs) enter(ctx context.Context, c *Call) error {
	args, err := c.words(c.Args[1:])
	if err != nil {
		return err
	}
	id, args, err := o.where(ctx, c, args)
	if err != nil {
		return err
	}
	w := pipeline.Wish{App: c.App}
	if len(args) > 0 {
		if w.Command, err = c.commandLine(args); err != nil {
			return err
		}
	}
	if w.Env, err = c.env(); err != nil {
		return err
	}
	connection, err := c.connection()
	if err != nil {
		return err
	}
	status, err := o.Enter(ctx, id, w, connection)
	if errors.Is(err, appliance.ErrNotFound) {
		return appliance.WithHint(err, fmt.Sprintf("it has ended, or been replaced: ps %s shows what runs", c.App))
	}
	if err != nil {
		return err
	}
	return ended(c, appliance.RunResult{Status: status})
}

// where returns the container that is meant, and the words that do not say
// which: a process type or a process may come first, and web is what is meant
// without.
func (o oneOffs) where(ctx context.Context, c *Call, args []string) (id string, rest []string, err error) {
	processes, err := o.Engine.Processes(ctx, c.App)
	if err != nil {
		return "", nil, err
	}
	processes = slices.DeleteFunc(processes, func(p appliance.Process) bool { return !p.Running })
	if wanted, _ := c.Flags.GetString("container-id"); wanted != "" {
		runs, err := o.Engine.Runs(ctx, c.App)
		if err != nil {
			return "", nil, err
		}
		for _, r := range runs {
			processes = append(processes, appliance.Process{ID: r.ID})
		}
		for _, p := range processes {
			if len(wanted) >= 4 && strings.HasPrefix(p.ID, wanted) {
				return p.ID, args, nil
			}
		}
		return "", nil, fmt.Errorf("container %.64q of %s %w", wanted, c.App, appliance.ErrNotFound)
	}
	app, err := o.Store.App(ctx, c.App)
	if err != nil {
		return "", nil, err
	}
	wanted := pipeline.Web
	if len(args) > 0 && slices.ContainsFunc(processes, func(p appliance.Process) bool { return args[0] == p.Type || args[0] == p.Name() }) {
		wanted, args = args[0], args[1:]
	} else if len(args) > 0 && processName.MatchString(args[0]) {
		wanted = args[0]
	}
	for _, p := range processes {
		if p.Generation == app.Live && (p.Type == wanted || p.Name() == wanted) {
			return p.ID, args, nil
		}
	}
	return "", nil, appliance.WithHint(fmt.Errorf("running process %.60q of %s %w", wanted, c.App, appliance.ErrNotFound),
		fmt.Sprintf("ps %s shows what runs; run %s starts a command in a container of its own", c.App, c.App))
}
