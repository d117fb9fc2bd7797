package command

import "github.com/spf13/pflag"

// FlagSet returns the flags of the command, for those who describe it. Those
// that every command takes are hidden in it.
func (c Command) FlagSet() *pflag.FlagSet { return c.flags() }

// TakesApp reports whether the first argument is an app, and whether it must be
// there: without one, a report and what can be told --all are about every app.
func (c Command) TakesApp() (takes, must bool) {
	return c.takesApp(), c.takesApp() && c.Args[0] == '<' && !c.Global && !c.isReport() && c.Every == nil
}
