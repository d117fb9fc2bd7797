package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// A Set is the commands of one appliance.
type Set struct {
	store    *db.Store
	commands map[string]Command
}

// NewSet returns a set of the given commands, and help.
func NewSet(store *db.Store, commands ...[]Command) *Set {
	s := &Set{store: store, commands: map[string]Command{}}
	for _, c := range slices.Concat(commands...) {
		s.commands[c.Name] = c
	}
	s.commands["help"] = Command{Name: "help", Args: "[<command>]", Short: "list the commands", For: Anyone, Reads: true, Run: s.help}
	return s
}

// All returns the commands by name.
func (s *Set) All() []Command {
	return slices.SortedFunc(maps.Values(s.commands), func(a, b Command) int { return cmp.Compare(a.Name, b.Name) })
}

// Execute runs the command that args name, if the session's actor may, and
// adds it to the audit trail. It leaves showing the error to the door.
func (s *Set) Execute(ctx context.Context, session *Session, args []string) error {
	if len(args) == 0 {
		args = []string{"help"}
	}
	c, ok := s.commands[args[0]]
	if !ok {
		return appliance.WithHint(&unknownError{args[0]}, "`help` lists the commands")
	}
	ctx = appliance.WithActor(ctx, session.Actor)
	if c.isOfEvery(args[1:]) {
		return s.ofEvery(ctx, c, session, args)
	}
	call, err := s.admit(ctx, c, session, args[1:])
	if err == nil {
		err = c.Run(ctx, call)
	}
	if c.Reads && !errors.Is(err, appliance.ErrDenied) {
		return err
	}
	return errors.Join(err, s.record(ctx, c, session.Actor, args[1:], err))
}

// An unknownError is an ErrUsage about a command that there is not.
type unknownError struct{ name string }

func (e *unknownError) Error() string {
	name := strings.Trim(fmt.Sprintf("%.60q", e.name), `"`) // no control characters
	return fmt.Sprintf("`%s` is not a berth command", name)
}

func (e *unknownError) Is(target error) bool { return target == ErrUsage }

// admit is the one gate that every command of every door passes. It returns
// the call, parsed, if the actor may make it.
func (s *Set) admit(ctx context.Context, c Command, session *Session, args []string) (*Call, error) {
	if c.For == Admin && !session.Actor.Admin || session.Actor.Name == "" {
		return nil, fmt.Errorf("%s: %w", c.Name, appliance.ErrDenied)
	}
	call, err := c.parse(session, args)
	if err != nil {
		return nil, err
	}
	if call.Global && !session.Actor.Admin {
		return nil, fmt.Errorf("%s --global: %w", c.Name, appliance.ErrDenied)
	}
	if c.For != Anyone && !call.Global {
		if err := Permit(ctx, s.store, session.Actor, c.For, call.App); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.TrimSpace(c.Name+" "+string(call.App)), err)
		}
	}
	if call.App != "" && !c.Makes && !c.Past {
		if _, err := s.store.App(ctx, call.App); err != nil {
			return nil, err
		}
	}
	return call, nil
}

func (c Command) parse(session *Session, args []string) (*Call, error) {
	flags := c.flags()
	args, property := c.takeProperty(args)
	if err := flags.Parse(args); err != nil {
		return nil, fmt.Errorf("%w: %v", c.usage(), err)
	}
	group, _, _ := strings.Cut(c.Name, ":")
	call := &Call{Session: session, Args: flags.Args(), Flags: flags, group: group, property: property}
	if call.Global = c.Global && call.Bool("global"); call.Global {
		call.Args = append([]string{""}, call.Args...)
	}
	required, optional, _ := strings.Cut(c.Args, "[")
	least := strings.Count(required, "<")
	most := least + strings.Count(optional, "<")
	if len(call.Args) < least || len(call.Args) > most && !strings.Contains(c.Args, "...") {
		return nil, c.usage()
	}
	if c.takesApp() && !call.Global && len(call.Args) > 0 {
		app, err := appliance.ParseAppName(call.Args[0])
		if err != nil {
			return nil, err
		}
		call.App = app
	}
	return call, nil
}

// flags declares the command's flags, anew for each call.
func (c Command) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SetInterspersed(!c.Verbatim)
	if c.Flags != nil {
		c.Flags(flags)
	}
	if c.Global {
		flags.Bool("global", false, "of the whole machine, instead of an app")
	}
	return flags
}

// record writes the audit line of a command. Of "KEY=value" it keeps the key:
// the value may be a secret, and so may be what was meant to be part of it but
// for a missing quote.
func (s *Set) record(ctx context.Context, c Command, actor appliance.Actor, args []string, err error) error {
	e := appliance.Event{Actor: actor.Name, Door: actor.Door, From: actor.From, Action: c.Name}
	wantsApp, wantsPairs := c.takesApp(), strings.Contains(c.Args, "=")
	call, parseErr := c.parse(nil, args)
	surplus := c.surplus(args)
	var detail []string
	for _, arg := range args {
		key, _, isPair := strings.Cut(arg, "=")
		name, nameErr := appliance.ParseAppName(arg)
		isApp := nameErr == nil && (parseErr != nil || name == call.App) // and not the value of a flag
		switch {
		case wantsApp && e.App == "" && isApp:
			e.App = name
		case wantsPairs && !isPair && c.flag(arg) == "", c.Secret && len(detail) > 0 && c.flag(arg) == "":
			detail = append(detail, "…")
		case slices.Contains(surplus, arg):
			detail = append(detail, "…")
		case strings.Contains(arg, "://"):
			detail = append(detail, address(arg))
		case len(key) > maxDetail:
			detail = append(detail, "…")
		default:
			detail = append(detail, key)
		}
	}
	e.Detail = strings.Join(detail, " ")
	if len(e.Detail) > maxDetail {
		e.Detail = strings.ToValidUTF8(e.Detail[:maxDetail], "") + "…"
	}
	switch {
	case errors.Is(err, ErrUsage):
		e.Error = c.usage().Error() // the error itself may quote what was typed
	case err != nil:
		e.Error = err.Error()
	}
	return s.store.Record(context.WithoutCancel(ctx), e)
}

// surplus returns the arguments that are more than the command takes. Whoever
// knows Dokku writes passwords and tokens there, which are to come on stdin.
func (c Command) surplus(args []string) []string {
	flags := c.flags()
	rest, most := args, strings.Count(c.Args, "<")
	if err := flags.Parse(args); err == nil {
		rest = flags.Args()
	} else {
		rest = slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return c.flag(arg) != "" })
	}
	if c.Global && slices.Contains(args, "--global") {
		most-- // there is no app
	}
	if strings.Contains(c.Args, "...") || len(rest) <= most {
		return nil
	}
	return rest[most:]
}

// address is of a URL what is no secret: not who asks, and not what is behind a
// question mark, where a signature can be.
func address(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || len(raw) > maxDetail {
		return "…"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// maxDetail bounds what the audit trail keeps of one command line, in bytes.
const maxDetail = 500

// flag returns arg if it is a flag of the command without a value, else "".
func (c Command) flag(arg string) string {
	if name, ok := strings.CutPrefix(arg, "--"); ok && c.flags().Lookup(name) != nil {
		return arg
	}
	return ""
}

// help lists the commands, or those whose name begins as asked.
func (s *Set) help(ctx context.Context, call *Call) error {
	prefix := strings.Join(call.Args, "")
	access, err := s.store.Accesses(ctx, call.Actor.Name)
	if err != nil {
		return err
	}
	best := appliance.NoAccess
	for _, a := range access {
		best = max(best, a)
	}
	found := false
	for _, c := range s.All() {
		if !strings.HasPrefix(c.Name, prefix) || best < c.For.least() && !call.Actor.Admin {
			continue
		}
		found = true
		fmt.Fprintf(call.Stdout, "    %-44s %s\n", strings.TrimSpace(c.Name+" "+c.Args), c.Short)
	}
	if !found {
		return appliance.WithHint(fmt.Errorf("command %.60q %w", prefix, appliance.ErrNotFound), "`help` lists the commands")
	}
	return nil
}
