package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anmitsu/go-shlex"
	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type oneOffs struct {
	*pipeline.Pipeline
}

// OneOffs returns the commands that run something beside an app's processes,
// or in them.
func OneOffs(p *pipeline.Pipeline) []Command {
	o := oneOffs{p}
	return append([]Command{
		{Name: "run", Args: "<app> <program>...", Short: "run a command in a container of its own", For: Deployer, Verbatim: true, Runs: true, Run: o.run, Flags: runFlags},
		{Name: "enter", Args: "<app> [<process>] [<program>...]", Short: "run a command in the container of a process, or a shell", For: Deployer, Verbatim: true, Runs: true, Run: o.enter, Flags: enterFlags},
	}, append(detachedRuns(o), cronJobs(o)...)...)
}

// What Dokku lets a one-off run for: a day.
const defaultTTL = 86400

// maxTTL is a year.
const maxTTL = 365 * 86400

func runFlags(fs *pflag.FlagSet) {
	fs.StringArrayP("env", "e", nil, "KEY=value to add to the environment; may be given again")
	fs.Bool("no-tty", false, "without a terminal, also where there is one")
	fs.Bool("force-tty", false, "with a terminal, also where there is none")
	fs.Int("ttl-seconds", defaultTTL, "how long it may run")
}

// timeToLive is how long what the call runs may run.
func timeToLive(c *Call) (time.Duration, error) {
	seconds, _ := c.Flags.GetInt("ttl-seconds")
	if seconds < 1 || seconds > maxTTL {
		return 0, fmt.Errorf("%w: --ttl-seconds is a number from 1 to %d", ErrUsage, maxTTL)
	}
	return time.Duration(seconds) * time.Second, nil
}

// An ExitError is the status that a program of an app has ended with, which the
// door passes on. It is not 0.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("exited with status %d", int(e)) }

func (o oneOffs) run(ctx context.Context, c *Call) error {
	w, err := c.wish()
	if err != nil {
		return err
	}
	connection, err := c.connection()
	if err != nil {
		return err
	}
	result, err := o.Once(ctx, w, connection)
	if err != nil {
		return err
	}
	return ended(c, result)
}

// ended passes on what a program has ended with.
func ended(c *Call, result appliance.RunResult) error {
	if result.OOM {
		fmt.Fprintln(c.Stderr, " !     it was killed:", result.OutOfMemory())
	}
	if result.Status != 0 {
		return ExitError(result.Status)
	}
	return nil
}

// connection connects a program to the session: at a terminal if that has one,
// unless something else was asked for.
func (c *Call) connection() (pipeline.Connection, error) {
	conn := pipeline.Connection{Stdin: c.Stdin, Out: c.Stdout, Err: c.Stderr}
	no, force := c.Bool("no-tty"), c.Bool("force-tty")
	switch {
	case no && force:
		return conn, fmt.Errorf("%w: --no-tty and --force-tty exclude each other", ErrUsage)
	case no:
	case c.Terminal != nil:
		conn.Terminal, conn.Out, conn.Stdin = c.Terminal, c.Screen, c.keystrokes()
	case force:
		conn.Terminal = &appliance.Terminal{Name: "xterm"}
	}
	return conn, nil
}

// wish reads what somebody wants to run.
func (c *Call) wish() (pipeline.Wish, error) {
	w := pipeline.Wish{App: c.App}
	var err error
	if w.Command, err = c.commandLine(c.Args[1:]); err != nil {
		return w, err
	}
	if w.Env, err = c.env(); err != nil {
		return w, err
	}
	if w.TTL, err = timeToLive(c); err != nil {
		return w, err
	}
	return w, nil
}

// env reads the variables that are to be added.
func (c *Call) env() (env []string, err error) {
	pairs, _ := c.Flags.GetStringArray("env")
	for _, pair := range pairs {
		key, value, err := appliance.ParseConfigPair(pair)
		if err != nil {
			return nil, err
		}
		env = append(env, key+"="+value)
	}
	return env, nil
}

// commandLine returns a command line that is somebody else's.
func (c *Call) commandLine(args []string) ([]string, error) {
	args, err := c.words(args)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, appliance.WithHint(fmt.Errorf("%w: no command was given", ErrUsage), "as in run "+string(c.App)+" bash")
	}
	if slices.ContainsFunc(args, func(arg string) bool { return strings.ContainsRune(arg, 0) }) {
		return nil, errors.New("the command has a NUL byte in it")
	}
	return asMeant(c.Line, args), nil
}

// words returns what follows the flags that may stand between the app and a
// program.
func (c *Call) words(args []string) ([]string, error) {
	if len(args) == 0 || !strings.HasPrefix(args[0], "-") {
		return args, nil
	}
	if err := c.Flags.Parse(args); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUsage, err)
	}
	return c.Flags.Args(), nil
}

// summary is what the audit trail has of a program's command line: which
// variables it was given, and its first word. All else may be a secret.
func (c *Call) summary() string {
	args, err := c.words(c.Args[1:])
	if err != nil {
		return "…"
	}
	var said []string
	env, _ := c.Flags.GetStringArray("env")
	for _, pair := range env {
		key, _, isPair := strings.Cut(pair, "=")
		if !isPair {
			key = "…" // it may be a value
		}
		said = append(said, "-e "+key)
	}
	if len(args) > 0 {
		name, more, _ := strings.Cut(strings.TrimSpace(args[0]), " ")
		if strings.ContainsAny(name, "=:'\"") || len(name) > 100 {
			name = "…"
		}
		said = append(said, name)
		if more != "" || len(args) > 1 {
			said = append(said, "…")
		}
	}
	return strings.Join(said, " ")
}

// asMeant gives a shell its script back as one word, of which SSH has lost the
// quotes: ssh host run blog sh -c 'echo "a b"' arrives as sh -c echo "a b".
// Where the script is quoted still, everything is as it was meant.
func asMeant(line string, args []string) []string {
	if len(args) < 4 || args[1] != "-c" || !slices.Contains([]string{"sh", "bash", "/bin/sh", "/bin/bash"}, args[0]) {
		return args
	}
	script := args[2:]
	for i := range len(line) {
		rest := line[i:]
		if i == 0 || line[i-1] != ' ' || !strings.HasPrefix(rest, script[0]+" ") {
			continue
		}
		if words, err := shlex.Split(rest, true); err == nil && slices.Equal(words, script) {
			return []string{args[0], args[1], rest}
		}
	}
	return args
}
