package command

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
)

// A reportRow is one report as scripts are shown it, in a line of its own.
type reportRow struct {
	App    string          `json:"app,omitempty"`
	Report string          `json:"report"` // the command that prints it
	Values json.RawMessage `json:"values,omitempty"`
	Error  string          `json:"error,omitempty"` // why there are no values
}

// addReports has report, which tells of the machine, print every other report
// too.
func (s *Set) addReports() {
	c, ok := s.commands["report"]
	if !ok {
		return // a set without a machine
	}
	machine, flags := c.Run, c.Flags
	c.Args, c.For, c.Bare = "[<app>]", Viewer, true
	c.Flags = func(fs *pflag.FlagSet) {
		flags(fs)
		fs.Bool("global", false, "only the machine's reports, of no app")
	}
	c.Run = func(ctx context.Context, c *Call) error { return s.report(ctx, c, machine) }
	s.commands["report"] = c
}

// report prints the reports of an app, or those of the machine and of all apps
// that the actor may see: each that the actor may ask for. One that cannot be
// made has its place with why.
func (s *Set) report(ctx context.Context, c *Call, machine func(context.Context, *Call) error) error {
	all := slices.DeleteFunc(s.All(), func(c Command) bool { return !c.isReport() || c.Alias })
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	apps := []appliance.AppName{c.App}
	if c.App == "" {
		if err := c.reportOf("", "report", asJSON, func(session *Session) error {
			call := *c
			call.Session = session
			return machine(ctx, &call)
		}); err != nil {
			return err
		}
		for _, r := range all {
			line := r.ofMachine(c.Actor)
			if line == nil {
				continue
			}
			if err := c.reportOf("", r.Name, asJSON, func(session *Session) error {
				return s.execute(ctx, session, nil, append(line, c.formFlags()...))
			}); err != nil {
				return err
			}
		}
		if apps = nil; !c.Bool("global") {
			list, err := Visible(ctx, s.store, c.Actor)
			if err != nil {
				return err
			}
			for _, app := range list {
				apps = append(apps, app.Name)
			}
		}
	} else if c.Bool("global") {
		return fmt.Errorf("%w: give an app, or --global", ErrUsage)
	}
	return inTurn(ctx, apps, c.Session, func(ctx context.Context, app appliance.AppName, session *Session) error {
		call := *c
		call.Session = session
		return s.reportApp(ctx, &call, app, all, asJSON)
	})
}

// inTurn has what is run for each app print as if one had run after the other,
// while some run at the same time: they ask git and the engine, and wait.
func inTurn(ctx context.Context, apps []appliance.AppName, session *Session, run func(context.Context, appliance.AppName, *Session) error) error {
	for chunk := range slices.Chunk(apps, 2*runtime.NumCPU()) {
		pages, warnings := make([]bytes.Buffer, len(chunk)), make([]bytes.Buffer, len(chunk))
		group, ctx := errgroup.WithContext(ctx)
		for i, app := range chunk {
			one := *session
			one.Stdout, one.Stderr = &pages[i], &warnings[i]
			group.Go(func() error { return run(ctx, app, &one) })
		}
		err := group.Wait()
		for i := range pages {
			_, out := pages[i].WriteTo(session.Stdout)
			_, told := warnings[i].WriteTo(session.Stderr)
			if wrong := cmp.Or(out, told); wrong != nil {
				return wrong
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) reportApp(ctx context.Context, c *Call, app appliance.AppName, all []Command, asJSON bool) error {
	for _, r := range all {
		if !r.takesApp() {
			continue
		}
		switch err := Permit(ctx, s.store, c.Actor, r.For, app); {
		case errors.Is(err, appliance.ErrDenied):
			continue // and no line in the audit trail: nobody asked for it
		case err != nil:
			return err
		}
		if err := c.reportOf(app, r.Name, asJSON, func(session *Session) error {
			return s.execute(ctx, session, nil, append([]string{r.Name, string(app)}, c.formFlags()...))
		}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// ofMachine is the command line of a report about the machine, or nil if it is
// about apps alone or not for the actor.
func (c Command) ofMachine(actor appliance.Actor) []string {
	switch {
	case !actor.Admin && c.For != Anyone:
		return nil
	case !c.takesApp():
		return []string{c.Name}
	case c.Global && actor.Admin:
		return []string{c.Name, "--global"}
	default:
		return nil
	}
}

// formFlags are the flags that say in which form to print.
func (c *Call) formFlags() (flags []string) {
	for _, name := range []string{"format", "quiet"} {
		if flag := c.Flags.Lookup(name); flag.Changed {
			flags = append(flags, "--"+name+"="+flag.Value.String())
		}
	}
	return flags
}

// reportOf prints one report of many.
func (c *Call) reportOf(app appliance.AppName, name string, asJSON bool, run func(*Session) error) error {
	var out bytes.Buffer
	session := *c.Session
	session.Stdout, session.Stderr = &out, io.Discard
	err := run(&session)
	if asJSON {
		row := reportRow{App: string(app), Report: name}
		if row.Values = bytes.TrimSpace(out.Bytes()); err != nil {
			row.Values, row.Error = nil, err.Error()
		}
		return json.NewEncoder(c.Stdout).Encode(row)
	}
	text := out.String()
	if !c.Bool("quiet") && !strings.HasPrefix(text, "=====>") {
		text = "=====> " + strings.TrimSpace(string(app)+" "+strings.TrimSuffix(name, ":report")) + "\n" + text
	}
	if err != nil {
		text += " !     " + err.Error() + "\n"
	}
	_, err = io.WriteString(c.Stdout, text)
	return err
}
