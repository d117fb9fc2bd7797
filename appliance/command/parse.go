package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

// A noAppError is an ErrUsage about a command line without the app that it is
// about. It has an exit status of its own, as in Dokku.
type noAppError struct{}

func (noAppError) Error() string { return "Please specify an app to run the command on" }

func (noAppError) Is(target error) bool { return target == ErrUsage || target == ErrNoApp }

// ErrNoApp is the ErrUsage for a command line without an app.
var ErrNoApp error = noAppError{}

// asDokku is what stands first on a command line that was typed to a binary
// called dokku.
const asDokku = "--as=dokku"

// leadingFlags are those that may stand before the command.
var leadingFlags = []string{"--app", "--force", "--help", "--quiet", "--trace", "--version"}

// leading takes off what Dokku's users write before the command: --quiet,
// --force, --trace, --app <app>.
func leading(args []string) (flags, rest []string) {
	for len(args) > 0 {
		name, _, hasValue := strings.Cut(args[0], "=")
		switch {
		case name == "--app" && !hasValue && len(args) > 1:
			flags = append(flags, "--app="+args[1])
			args = args[2:]
		case name == "--app" && hasValue, args[0] == asDokku, args[0] == "--quiet", args[0] == "--force", args[0] == "--trace":
			flags = append(flags, args[0])
			args = args[1:]
		default:
			return flags, args
		}
	}
	return flags, nil
}

// lead returns args with the flags before the command among them, but for
// those that mean nothing to the command.
func (c Command) lead(flags, args []string) []string {
	known := c.flags()
	flags = slices.DeleteFunc(slices.Clone(flags), func(flag string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		return known.Lookup(name) == nil
	})
	return append(flags, args...)
}

func (c Command) parse(session *Session, args []string) (*Call, error) {
	flags := c.flags()
	args, property := c.takeProperty(args)
	if err := flags.Parse(args); err == pflag.ErrHelp {
		return nil, err
	} else if err != nil {
		return nil, c.wrongFlag(flags, err)
	}
	if c.Every != nil {
		if _, err := c.parallel(flags); err != nil {
			return nil, err
		}
	}
	call := &Call{Session: session, Args: flags.Args(), Flags: flags, group: c.group(), report: c.isReport(), property: property}
	if call.Global = c.Global && call.Bool("global"); call.Global {
		call.Args = append([]string{""}, call.Args...)
	}
	if app, given := c.appFlag(flags); given && !call.Global && (len(call.Args) == 0 || call.Args[0] != app) {
		call.Args = append([]string{app}, call.Args...)
	}
	if strings.HasPrefix(c.Args, "<app>") && (len(call.Args) == 0 || strings.Contains(call.Args[0], "=")) { // KEY=value is none
		return nil, appliance.WithHint(ErrNoApp, c.usageHint())
	}
	least, most := c.arity()
	if len(call.Args) < least || len(call.Args) > most && !strings.Contains(c.Args, "...") {
		return nil, c.usage("")
	}
	if !c.takesApp() || call.Global || len(call.Args) == 0 {
		return call, nil
	}
	app, err := appliance.ParseAppName(call.Args[0])
	if err != nil {
		return nil, err
	}
	call.App = app
	return call, nil
}

// arity returns how many arguments the command takes.
func (c Command) arity() (least, most int) {
	required, optional, _ := strings.Cut(c.Args, "[")
	least = strings.Count(required, "<")
	return least, least + strings.Count(optional, "<")
}

// flags declares the command's flags, anew for each call.
func (c Command) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SetInterspersed(!c.Verbatim)
	flags.SortFlags = true
	if c.Flags != nil {
		c.Flags(flags)
	}
	if c.Global {
		flags.Bool("global", false, "of the whole machine, instead of an app")
	}
	if c.Every != nil {
		flags.Bool("all", false, "every app that you may do it with, instead of one")
		flags.Int("parallel", 1, "with --all, how many apps at the same time; -1 for as many as there are CPUs")
	}
	// What every command takes is not told with each.
	for name, usage := range map[string]string{"quiet": "without headings", "trace": "as Dokku has it; it changes nothing"} {
		if flags.Lookup(name) == nil {
			flags.Bool(name, false, usage)
			hide(flags, name)
		}
	}
	if c.takesApp() && flags.Lookup("app") == nil {
		flags.String("app", "", "the app, instead of the first argument")
		hide(flags, "app")
	}
	return flags
}

// hidden marks the flags that flags declares for every command.
const hidden = "hidden"

func hide(flags *pflag.FlagSet, name string) {
	flag := flags.Lookup(name)
	flag.Hidden = true
	flag.Annotations = map[string][]string{hidden: nil}
}

// appFlag returns the app that was named by --app, where that stands for the
// first argument.
func (c Command) appFlag(flags *pflag.FlagSet) (app string, given bool) {
	flag := flags.Lookup("app")
	if flag == nil || !flag.Hidden || !flag.Changed {
		return "", false
	}
	return flag.Value.String(), true
}

// usage returns the command's usage error, with what is wrong, if that is to
// be said.
func (c Command) usage(what string) error {
	return appliance.WithHint(fmt.Errorf("%w: %s%s", ErrUsage, c.line(), what), c.help())
}

// wrongFlag returns the usage error about a flag that cannot be read, with the
// one that could have been meant.
func (c Command) wrongFlag(flags *pflag.FlagSet, err error) error {
	usage := c.usage(": " + err.Error())
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return appliance.WithHint(usage, didYouMean("--"+unknown.GetSpecifiedName(), flagNames(flags))+c.help())
	}
	return usage
}

// flagNames are the flags that there are, as they are typed.
func flagNames(flags *pflag.FlagSet) (names []string) {
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return names
}

// line is the command as its usage has it.
func (c Command) line() string { return strings.TrimSpace(c.Name + " " + c.Args) }

// usageHint is the usage line, and where there is more.
func (c Command) usageHint() string { return "usage: " + c.line() + "\n" + c.help() }

// help is an example, if there is one, and where there is more.
func (c Command) help() string {
	more := "`help " + c.Name + "` says more"
	if len(c.Examples) == 0 {
		return more
	}
	return "for example: " + cmp.Or(c.Examples[0], c.Name) + "\n" + more
}
