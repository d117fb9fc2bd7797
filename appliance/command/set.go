package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// A Set is the commands of one appliance.
type Set struct {
	// Log takes what was run, at the level of details; nil for nowhere. Set it
	// before the first command.
	Log *slog.Logger

	store    *db.Store
	commands map[string]Command
}

// NewSet returns a set of the given commands, and help.
func NewSet(store *db.Store, commands ...[]Command) *Set {
	s := &Set{store: store, commands: map[string]Command{}}
	for _, c := range slices.Concat(commands...) {
		s.commands[c.Name] = c
	}
	for _, c := range append(s.completionCommands(), s.helpCommand(), s.shellCommand()) {
		s.commands[c.Name] = c
	}
	s.addReports()
	s.addManual()
	return s
}

// All returns the commands by name.
func (s *Set) All() []Command {
	return slices.SortedFunc(maps.Values(s.commands), func(a, b Command) int { return cmp.Compare(a.Name, b.Name) })
}

// Execute runs the command that args name, if the session's actor may, and
// adds it to the audit trail. It leaves showing the error to the door.
func (s *Set) Execute(ctx context.Context, session *Session, args []string) error {
	ctx = appliance.WithActor(ctx, session.Actor)
	flags, args := leading(args)
	if slices.Contains(flags, asDokku) {
		session = session.as("dokku")
	}
	ctx, session, leave := session.sit(ctx)
	defer leave()
	return s.executeLine(ctx, session, flags, args)
}

// executeLine is execute at a terminal, if there is one, of Dokku, if it is
// called so.
func (s *Set) executeLine(ctx context.Context, session *Session, flags, args []string) error {
	err := interrupted(ctx, s.execute(ctx, session, flags, args))
	if session.program() == "dokku" {
		return dokkuError(err)
	}
	return err
}

// execute is Execute of a command line whose flags before the command were
// taken off.
func (s *Set) execute(ctx context.Context, session *Session, flags, args []string) error {
	c, args, err := s.find(ctx, session, args)
	if err != nil {
		return err
	}
	args = c.lead(flags, args)
	if c.isOfEvery(args) {
		return s.ofEvery(ctx, c, session, args)
	}
	if c.isOfAll(args) {
		return s.ofAll(ctx, c, session, args)
	}
	start := time.Now()
	call, err := s.admit(ctx, c, session, args)
	if errors.Is(err, pflag.ErrHelp) {
		return s.execute(ctx, session, nil, []string{"help", c.Name})
	}
	if err == nil {
		err = c.run(ctx, call)
	}
	s.trace(ctx, c, session.Actor, args, time.Since(start), err)
	if c.Reads && !errors.Is(err, appliance.ErrDenied) {
		return err
	}
	return errors.Join(err, s.record(ctx, c, session.Actor, args, err))
}

// trace logs that a command was run: not its arguments but the app, nor what
// went wrong, which may quote them.
func (s *Set) trace(ctx context.Context, c Command, actor appliance.Actor, args []string, took time.Duration, err error) {
	if s.Log == nil || !s.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	var app appliance.AppName
	if call, parseErr := c.parse(nil, args); parseErr == nil {
		if _, appErr := s.store.App(context.WithoutCancel(ctx), call.App); appErr == nil {
			app = call.App // and not something else that was typed there
		}
	}
	s.Log.DebugContext(ctx, "command", "command", c.Name, "app", app, "actor", actor.Name, "door", actor.Door, "from", actor.From,
		"took", took, "status", ExitStatus(err))
}

// run runs the command, without the lines that say how it is going if that is
// asked for.
func (c Command) run(ctx context.Context, call *Call) error {
	if quiet := call.Flags.Lookup("quiet"); c.Reads || c.Verbatim || !quiet.Hidden || !quiet.Changed {
		return c.Run(ctx, call)
	}
	out := &quietWriter{w: call.Stdout}
	session := *call.Session
	session.Stdout = out
	call.Session = &session
	return errors.Join(c.Run(ctx, call), out.end())
}

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
	if c.For != Anyone && !call.Global && !(c.Bare && call.App == "") {
		if err := Permit(ctx, s.store, session.Actor, c.For, call.App); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.TrimSpace(c.Name+" "+string(call.App)), err)
		}
	}
	if call.App != "" && !c.Makes && !c.Past {
		if _, err := s.store.App(ctx, call.App); err != nil {
			return nil, s.suggestApp(ctx, session.Actor, call.App, err)
		}
	}
	return call, nil
}

// suggestApp adds to the error about an app that is not there which one could
// have been meant.
func (s *Set) suggestApp(ctx context.Context, actor appliance.Actor, app appliance.AppName, err error) error {
	list, listErr := Visible(ctx, s.store, actor)
	if listErr != nil || !errors.Is(err, appliance.ErrNotFound) {
		return err
	}
	var known []string
	for _, other := range list {
		known = append(known, string(other.Name))
	}
	return appliance.WithHint(err, didYouMean(string(app), known)+"apps:list shows the apps there are")
}

// record writes the audit line of a command. Of "KEY=value" it keeps the key:
// the value may be a secret, and so may be what was meant to be part of it but
// for a missing quote.
func (s *Set) record(ctx context.Context, c Command, actor appliance.Actor, args []string, err error) error {
	e := appliance.Event{Actor: actor.Name, Door: actor.Door, From: actor.From, Action: c.Name}
	wantsApp, wantsPairs := c.takesApp(), strings.Contains(c.Args, "=")
	call, parseErr := c.parse(nil, args)
	surplus := c.surplus(args)
	if app, rest := c.namedApp(args); app != "" {
		e.App, args = app, rest
	}
	var detail []string
	for _, arg := range args {
		key, _, isPair := strings.Cut(arg, "=")
		_, keyErr := appliance.ParseConfigKey(key)
		noKey := keyErr != nil && strings.Contains(c.Args, "<key") // but a piece of a value, perhaps
		name, nameErr := appliance.ParseAppName(arg)
		isApp := nameErr == nil && (parseErr != nil || name == call.App) // and not the value of a flag
		switch {
		case wantsApp && e.App == "" && isApp:
			e.App = name
		case wantsPairs && !isPair && c.flag(arg) == "", noKey && isPair, c.Secret && (len(detail) > 0 && !slices.Contains(c.Shown, detail[0]) || strings.Contains(arg, "://")) && c.flag(arg) == "":
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
	if c.Runs {
		e.Detail = "…"
		if parseErr == nil {
			e.Detail = call.summary()
		}
	}
	if len(e.Detail) > maxDetail {
		e.Detail = strings.ToValidUTF8(e.Detail[:maxDetail], "") + "…"
	}
	switch {
	case errors.Is(err, ErrUsage):
		e.Error = c.usage("").Error() // the error itself may quote what was typed
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
	if app, _ := c.namedApp(args); app != "" {
		most-- // it is not among them
	}
	if strings.Contains(c.Args, "...") || len(rest) <= most {
		return nil
	}
	return rest[most:]
}

// namedApp returns the app that a command line names by --app in place of the
// first argument, and the rest of the command line.
func (c Command) namedApp(args []string) (app appliance.AppName, rest []string) {
	if flag := c.flags().Lookup("app"); !c.takesApp() || !flag.Hidden {
		return "", args
	}
	for i, arg := range args {
		value, ok := strings.CutPrefix(arg, "--app=")
		n := 1
		if arg == "--app" && i+1 < len(args) {
			value, ok, n = args[i+1], true, 2
		}
		if name, err := appliance.ParseAppName(value); ok && err == nil {
			return name, slices.Delete(slices.Clone(args), i, i+n)
		}
	}
	return "", args
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
