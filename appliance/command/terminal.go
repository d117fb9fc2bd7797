package command

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// TakesTerminal reports whether a command line is for a command that takes the
// person's terminal over: all keys, and the screen.
func TakesTerminal(args []string) bool {
	flags, args := leading(args)
	if len(args) == 0 {
		return false
	}
	switch args[0] {
	case "shell":
		return true
	case "top":
		return !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--format") })
	case "run", "enter":
	default:
		return false
	}
	fs := pflag.NewFlagSet(args[0], pflag.ContinueOnError)
	fs.SetInterspersed(false)
	enterFlags(fs) // which has all of run's
	fs.String("app", "", "")
	rest := args[1:]
	for range 2 { // flags may stand on both sides of the app
		if err := fs.Parse(rest); err != nil {
			return false
		}
		if rest = fs.Args(); len(rest) == 0 || fs.Changed("app") || namesApp(flags) {
			break
		}
		rest = rest[1:]
	}
	no, err := fs.GetBool("no-tty")
	return err == nil && !no
}

// AsksSecret reports whether a command line is for a command that has the
// person type a secret, if stdin is a terminal.
func AsksSecret(args []string) bool {
	flags, args := leading(args)
	if len(args) == 0 || args[0] != "config:set" {
		return len(args) > 0 && slices.Contains([]string{"git:auth", "http-auth:add-user", "letsencrypt:dns", "letsencrypt:eab", "registry:login"}, args[0])
	}
	fs := pflag.NewFlagSet(args[0], pflag.ContinueOnError)
	configSetFlags(fs)
	for _, name := range []string{"quiet", "trace"} { // as every command has them
		fs.Bool(name, false, "")
	}
	fs.String("app", "", "")
	global := fs.Bool("global", false, "")
	if fs.Parse(args[1:]) != nil {
		return false
	}
	pairs := fs.Args()
	if !*global && !fs.Changed("app") && !namesApp(flags) && len(pairs) > 0 {
		pairs = pairs[1:]
	}
	return len(pairs) == 1 && !strings.Contains(pairs[0], "=")
}

func namesApp(flags []string) bool {
	return slices.ContainsFunc(flags, func(flag string) bool { return strings.HasPrefix(flag, "--app=") })
}
