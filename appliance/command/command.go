// Package command has the commands of the appliance, such as apps:create. The
// local command line and SSH run the same ones: a command sees only a Session,
// never the door it came in by.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

// ErrUsage is the error for a command line that makes no sense.
var ErrUsage = errors.New("usage")

// A Command is one thing that a person can ask for.
type Command struct {
	Name  string // "apps:create"
	Args  string // "<app> [<key>...]": for the usage line
	Short string // "create an app": for help
	For   Level

	// Long says what the command does, and Examples are command lines of it:
	// both for help, and from the manual if they are not set.
	Long     string
	Examples []string

	// Makes is set for the command that makes the app it names. Every other
	// one is run only if there is such an app.
	Makes bool

	// Reads is set for a command that changes nothing. The audit trail has it
	// only when it was refused.
	Reads bool

	// Past is set for a command that is also about apps that are there no more.
	Past bool

	// Global is set for a command that can be told --global instead of the
	// app that is its first argument. Then it is about the whole machine,
	// Call.Global is set, and it is for admins only.
	Global bool

	// Bare is set for a command that anyone may run without the app which it
	// can be about. Of each app it shows what the actor may see.
	Bare bool

	// Every is set for a command that can be told --all instead of an app: it
	// is run for each app that the actor may run it for.
	Every *Every

	// Hidden is set for a command that programs ask for, not people: help does
	// not list it.
	Hidden bool

	// Alias is set for a command that is another name of one. Where all there
	// are are run, it is not.
	Alias bool

	// Verbatim is set for a command whose arguments may look like flags. Its
	// own flags go before the first of them.
	Verbatim bool

	// Secret is set for a command whose arguments after the first are secrets.
	// The audit trail does not have them.
	Secret bool

	// Shown are the properties of which the audit trail has the values although
	// the command is Secret.
	Shown []string

	// Runs is set for a command whose arguments after the app are somebody
	// else's command line. Of that the audit trail has the first word: the
	// rest may hold secrets.
	Runs bool

	// Flags, if set, declares the command's flags.
	Flags func(*pflag.FlagSet)

	Run func(context.Context, *Call) error
}

// A Session is one person's conversation with the appliance.
type Session struct {
	Actor  appliance.Actor
	Stdin  io.Reader
	Stdout io.Writer // what was asked for
	Stderr io.Writer // how it is going
	TTY    bool      // somebody is looking

	// Program is what the appliance is called by, "dokku" where it stands in
	// for that; "berth" if "".
	Program string

	// Line is the command line before it was split into words; "" if the door
	// was given words.
	Line string

	// Terminal is what the person sits at, and Screen writes to it as it is,
	// where Stdout makes lines of newlines. Both are nil without one.
	Terminal *appliance.Terminal
	Screen   io.Writer

	inShell bool // it is one line of a shell
}

// A Call is one command line of a session.
type Call struct {
	*Session
	Args  []string // what the flags left
	Flags *pflag.FlagSet

	// App is the first argument of a command whose arguments begin with
	// "<app>" or "[<app>]". With --global it is "", and so is Args[0].
	App    appliance.AppName
	Global bool

	group    string // "apps" of apps:report
	report   bool   // of a command that shows the properties of something
	property string // the only one that a report is to show, if it is not ""
}

// Bool returns the value of a flag that the command declares.
func (c *Call) Bool(flag string) bool {
	v, err := c.Flags.GetBool(flag)
	if err != nil {
		panic(err) // the command asks for a flag that it does not declare
	}
	return v
}

// listing declares the flags of every command that lists something.
func listing(fs *pflag.FlagSet) {
	fs.String("format", "stdout", "stdout or json")
	fs.Bool("quiet", false, "no heading")
}

// List prints rows, under a heading, or as one JSON value if that was asked
// for.
func (c *Call) List(heading string, value any, rows []string) error {
	if c.property != "" {
		return c.value(propertiesOf(value))
	}
	switch format, _ := c.Flags.GetString("format"); format {
	case "json":
		return json.NewEncoder(c.Stdout).Encode(value)
	case "stdout":
	default:
		return fmt.Errorf("%w: --format is stdout or json, not %q", ErrUsage, format)
	}
	if heading != "" && !c.Bool("quiet") {
		fmt.Fprintln(c.Stdout, "=====> "+heading)
	}
	for _, row := range rows {
		fmt.Fprintln(c.Stdout, row)
	}
	return nil
}

// takesApp tells whether the command's first argument is an app.
func (c Command) takesApp() bool {
	return strings.HasPrefix(c.Args, "<app>") || strings.HasPrefix(c.Args, "[<app>]")
}
