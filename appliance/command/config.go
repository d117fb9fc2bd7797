package command

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type config struct {
	*pipeline.Pipeline
}

// Config returns the commands about an app's environment, and about that which
// all apps have below their own.
func Config(p *pipeline.Pipeline) []Command {
	f := config{p}
	show := func(fs *pflag.FlagSet) { listing(fs); merged(fs) }
	return []Command{
		{Name: "config", Args: "<app>", Short: "show an app's environment", For: Deployer, Global: true, Reads: true, Run: f.show, Flags: show},
		{Name: "config:show", Args: "<app>", Short: "show an app's environment", For: Deployer, Global: true, Reads: true, Run: f.show, Flags: show},
		{Name: "config:get", Args: "<app> <key>", Short: "print one value", For: Deployer, Global: true, Reads: true, Run: f.get, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("quoted", false, "in quotes, as a shell reads it")
		}},
		{Name: "config:set", Args: "<app> <key[=value]>...", Short: "set values and restart the app; of one key alone the value comes from stdin", For: Deployer, Global: true, Run: f.set, Flags: configSetFlags},
		{Name: "config:unset", Args: "<app> <key>...", Short: "remove values and restart the app", For: Deployer, Global: true, Run: f.unset, Flags: noRestart},
		{Name: "config:clear", Args: "<app>", Short: "remove all values and restart the app", For: Deployer, Global: true, Run: f.clear, Flags: noRestart},
		{Name: "config:keys", Args: "<app>", Short: "list the names of an app's environment, without the values", For: Viewer, Global: true, Reads: true, Run: f.keys, Flags: show},
		{Name: "config:export", Args: "<app>", Short: "print an app's environment for another program", For: Deployer, Global: true, Reads: true, Run: f.export, Flags: func(fs *pflag.FlagSet) {
			merged(fs)
			fs.String("format", "exports", strings.Join(exportFormats, ", "))
		}},
		{Name: "config:import", Args: "<app>", Short: "set values from stdin and restart the app", For: Deployer, Global: true, Run: f.importAll, Flags: func(fs *pflag.FlagSet) {
			noRestart(fs)
			fs.Bool("replace", false, "and remove all others")
			fs.String("format", "envfile", "envfile or json")
		}},
		{Name: "config:bundle", Args: "<app>", Short: "print an app's environment as a tar archive with a file for each value", For: Deployer, Global: true, Reads: true, Run: f.bundle, Flags: merged},
	}
}

func noRestart(fs *pflag.FlagSet) { fs.Bool("no-restart", false, "let the app run on as it is") }

func configSetFlags(fs *pflag.FlagSet) {
	noRestart(fs)
	fs.Bool("encoded", false, "the values are in base64")
}

func merged(fs *pflag.FlagSet) { fs.Bool("merged", false, "with what all apps have") }

// env returns the environment that a call is about.
func (f config) env(ctx context.Context, c *Call) (map[string]string, error) {
	if c.Bool("merged") {
		return f.Pipeline.Config(ctx, c.App)
	}
	return f.Store.Config(ctx, c.App)
}

// ownerOf names what a call is about.
func ownerOf(c *Call) string {
	if c.Global {
		return "global"
	}
	return string(c.App)
}

func (f config) show(ctx context.Context, c *Call) error {
	env, err := f.env(ctx, c)
	if err != nil {
		return err
	}
	return c.List(ownerOf(c)+" env vars", env, pretty(env))
}

func (f config) get(ctx context.Context, c *Call) error {
	env, err := f.Store.Config(ctx, c.App)
	if err != nil {
		return err
	}
	value, ok := env[c.Args[1]]
	if !ok {
		return fmt.Errorf("config key %.60q of %s %w", c.Args[1], ownerOf(c), appliance.ErrNotFound)
	}
	if c.Bool("quoted") {
		value = shellQuote(value)
	}
	fmt.Fprintln(c.Stdout, value)
	return nil
}

func (f config) set(ctx context.Context, c *Call) error {
	pairs := c.Args[1:]
	if len(pairs) == 1 && !strings.Contains(pairs[0], "=") {
		value, err := readValue(ctx, c, pairs[0])
		if err != nil {
			return err
		}
		pairs = []string{pairs[0] + "=" + value}
	}
	set := map[string]string{}
	for _, pair := range pairs {
		if c.Bool("encoded") {
			key, encoded, _ := strings.Cut(pair, "=")
			value, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
			if err != nil {
				return fmt.Errorf("%w value of %.60q: it is not base64", appliance.ErrInvalid, key)
			}
			pair = key + "=" + string(value)
		}
		key, value, err := appliance.ParseConfigPair(pair)
		if err != nil {
			return err
		}
		set[key] = value
	}
	return f.change(ctx, c, "set", set, nil)
}

// readValue reads the value of a key from stdin, so that it is on no command
// line. The line end that echo adds is no part of it.
func readValue(ctx context.Context, c *Call, key string) (string, error) {
	if _, err := appliance.ParseConfigKey(key); err != nil {
		return "", err
	}
	none := appliance.WithHint(fmt.Errorf("%w config pair: no = in it, and no value on stdin", appliance.ErrInvalid),
		"write it as KEY=value, or pipe the value of one KEY in")
	if c.TTY {
		line, err := c.ask(ctx, "Value of "+key)
		if errors.Is(err, io.EOF) {
			return "", none
		}
		return line, err
	}
	text, err := readInput(c.Stdin)
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", none
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), nil
}

// maxInput is more than all values together may have to start a process.
const maxInput = 2 << 20

// readInput reads stdin to its end.
func readInput(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if len(text) > maxInput {
		return "", appliance.WithHint(fmt.Errorf("%w config: more than %d bytes", appliance.ErrInvalid, maxInput), "put large values into a file of the app")
	}
	return string(text), err
}

func (f config) unset(ctx context.Context, c *Call) error {
	for _, arg := range c.Args[1:] {
		if _, err := appliance.ParseConfigKey(arg); err != nil {
			return err
		}
	}
	return f.change(ctx, c, "unset", nil, c.Args[1:])
}

func (f config) clear(ctx context.Context, c *Call) error {
	env, err := f.Store.Config(ctx, c.App)
	if err != nil {
		return err
	}
	if err := f.Store.ReplaceConfig(ctx, c.App, nil); err != nil {
		return err
	}
	return f.changed(ctx, c, "clear", "Unsetting", slices.Sorted(maps.Keys(env)))
}

// change changes the environment and, unless told otherwise, restarts the app
// with it.
func (f config) change(ctx context.Context, c *Call, verb string, set map[string]string, unset []string) error {
	keys := append(slices.Sorted(maps.Keys(set)), unset...)
	if len(keys) == 0 {
		return errors.New("at least one key must be given")
	}
	if err := f.Store.ChangeConfig(ctx, c.App, set, unset); err != nil {
		return err
	}
	return f.changed(ctx, c, verb, map[string]string{"set": "Setting", "unset": "Unsetting"}[verb], keys)
}

// changed says which keys have changed, and restarts the app with them. Values
// are printed nowhere. All apps at once are not restarted: each has what is
// global from its next release on.
func (f config) changed(ctx context.Context, c *Call, verb, title string, keys []string) error {
	list := strings.Join(keys, " ")
	fmt.Fprintf(c.Stdout, "-----> %s\n", strings.TrimSpace(title+" "+list))
	if c.Global {
		fmt.Fprintln(c.Stdout, "       Each app has it from its next release on: ps:restart <app>")
		return nil
	}
	if c.Bool("no-restart") {
		return nil
	}
	if len(list) > maxDetail {
		list = fmt.Sprintf("(%d keys)", len(keys))
	}
	return f.Reconfigure(ctx, c.App, strings.TrimSpace(fmt.Sprintf("config:%s %s", verb, list)), c.Stdout)
}
