package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
)

// An Every says how a command is run for each app.
type Every struct {
	// Alone is set for a command that is about each app also when it is told
	// neither an app nor --all.
	Alone bool

	// Skip tells why the command has nothing to do with an app, or "".
	Skip func(context.Context, appliance.App) (string, error)
}

// isOfAll tells whether a command is to be run for each app.
func (c Command) isOfAll(args []string) bool {
	if c.Every == nil {
		return false
	}
	flags := c.flags()
	if flags.Parse(args) != nil {
		return false
	}
	all, _ := flags.GetBool("all")
	_, named := c.appFlag(flags)
	return all || c.Every.Alone && flags.NArg() == 0 && !named
}

// parallel returns how many apps the command is to be run for at the same time.
func (c Command) parallel(flags *pflag.FlagSet) (int, error) {
	switch n, _ := flags.GetInt("parallel"); {
	case n == -1:
		return runtime.NumCPU(), nil
	case n < 1:
		return 0, c.usage(": --parallel is a number from 1 on, or -1")
	default:
		return n, nil
	}
}

// ofAll runs a command for each app, through the gate. What fails for one app
// is told when it was tried for all.
func (s *Set) ofAll(ctx context.Context, c Command, session *Session, args []string) error {
	if session.Actor.Name == "" || c.For == Admin && !session.Actor.Admin {
		return fmt.Errorf("%s: %w", c.Name, appliance.ErrDenied)
	}
	flags := c.flags()
	if err := flags.Parse(args); err != nil {
		return c.wrongFlag(flags, err)
	}
	if _, named := c.appFlag(flags); named || flags.NArg() > 0 {
		return c.usage(": --all stands for the app, and for all of it")
	}
	parallel, err := c.parallel(flags)
	if err != nil {
		return err
	}
	quiet, _ := flags.GetBool("quiet")
	apps, err := s.store.Apps(ctx)
	if err != nil {
		return err
	}
	a := all{set: s, command: c, session: session, quiet: quiet}
	group, tries := errgroup.Group{}, 0
	group.SetLimit(parallel)
	for _, app := range apps {
		if ctx.Err() != nil {
			break // whoever asked has gone: none is begun for them any more
		}
		switch err := Permit(ctx, s.store, session.Actor, c.For, app.Name); {
		case errors.Is(err, appliance.ErrDenied):
			continue // it is somebody else's
		case err != nil:
			return errors.Join(err, group.Wait())
		}
		tries++
		group.Go(func() error {
			if ctx.Err() == nil { // it may have waited for its turn
				a.run(ctx, app, parallel > 1)
			}
			return nil
		})
	}
	_ = group.Wait() // what failed is in a
	if len(a.failed) == 0 {
		return context.Cause(ctx)
	}
	slices.Sort(a.failed)
	return appliance.WithHint(fmt.Errorf("%s failed for %d of %d apps: %s", c.Name, len(a.failed), tries, list(a.failed)),
		fmt.Sprintf("what is above says why; %s %s tries one again", c.Name, a.failed[0]))
}

// An all is a command on its way through the apps.
type all struct {
	set     *Set
	command Command
	session *Session
	quiet   bool

	mu     sync.Mutex // guards failed, and lets one at a time print
	failed []string
}

// run runs the command for one app. Beside others, what it prints comes in one
// piece, when it has ended.
func (a *all) run(ctx context.Context, app appliance.App, beside bool) {
	session := *a.session
	session.Stdin = bytes.NewReader(nil) // there is one, and several who would read it
	var out, errs bytes.Buffer
	if beside {
		session.Stdout, session.Stderr = &out, &errs
	}
	err := a.one(ctx, app, &session)
	a.mu.Lock()
	defer a.mu.Unlock()
	if beside {
		// Whoever asked may have gone; it goes on for the others.
		_, _ = io.Copy(a.session.Stdout, &out)
		_, _ = io.Copy(a.session.Stderr, &errs)
	}
	if err != nil {
		a.failed = append(a.failed, string(app.Name))
		fmt.Fprintf(a.session.Stderr, " !     %s: %v\n", app.Name, err)
		if hint := appliance.HintOf(err); hint != "" {
			fmt.Fprintf(a.session.Stderr, "       %s\n", hint)
		}
	}
}

func (a *all) one(ctx context.Context, app appliance.App, session *Session) error {
	why, err := a.command.Every.Skip(ctx, app)
	if err != nil {
		return err
	}
	if why != "" {
		if !a.quiet {
			fmt.Fprintf(session.Stdout, "-----> Skipping %s: %s\n", app.Name, why)
		}
		return nil
	}
	line := []string{a.command.Name, string(app.Name)}
	if a.quiet {
		line = append(line, "--quiet")
	}
	return a.set.execute(ctx, session, nil, line)
}

// list joins names, the first of many.
func list(names []string) string {
	const most = 5
	text := ""
	for i, name := range names {
		if i == most {
			return text + ", …"
		}
		if i > 0 {
			text += ", "
		}
		text += name
	}
	return text
}
