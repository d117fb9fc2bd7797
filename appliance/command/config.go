package command

import (
	"context"
	"errors"
	"fmt"
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

// Config returns the commands about an app's environment.
func Config(p *pipeline.Pipeline) []Command {
	f := config{p}
	return []Command{
		{Name: "config", Args: "<app>", Short: "show an app's environment", For: Deployer, Reads: true, Run: f.show, Flags: listing},
		{Name: "config:show", Args: "<app>", Short: "show an app's environment", For: Deployer, Reads: true, Run: f.show, Flags: listing},
		{Name: "config:get", Args: "<app> <key>", Short: "print one value", For: Deployer, Reads: true, Run: f.get},
		{Name: "config:set", Args: "<app> <key=value>...", Short: "set values and restart the app", For: Deployer, Run: f.set, Flags: noRestart},
		{Name: "config:unset", Args: "<app> <key>...", Short: "remove values and restart the app", For: Deployer, Run: f.unset, Flags: noRestart},
	}
}

func noRestart(fs *pflag.FlagSet) { fs.Bool("no-restart", false, "let the app run on as it is") }

func (f config) show(ctx context.Context, c *Call) error {
	env, err := f.Store.Config(ctx, c.App)
	if err != nil {
		return err
	}
	width := 0
	for key := range env {
		width = max(width, len(key)+1)
	}
	var rows []string
	for _, key := range slices.Sorted(maps.Keys(env)) {
		rows = append(rows, fmt.Sprintf("%-*s  %s", width, key+":", env[key]))
	}
	return c.List(string(c.App)+" env vars", env, rows)
}

func (f config) get(ctx context.Context, c *Call) error {
	env, err := f.Store.Config(ctx, c.App)
	if err != nil {
		return err
	}
	value, ok := env[c.Args[1]]
	if !ok {
		return fmt.Errorf("config key %.60q of %s %w", c.Args[1], c.App, appliance.ErrNotFound)
	}
	fmt.Fprintln(c.Stdout, value)
	return nil
}

func (f config) set(ctx context.Context, c *Call) error {
	set := map[string]string{}
	for _, arg := range c.Args[1:] {
		key, value, err := appliance.ParseConfigPair(arg)
		if err != nil {
			return err
		}
		set[key] = value
	}
	return f.change(ctx, c, "set", set, nil)
}

func (f config) unset(ctx context.Context, c *Call) error {
	for _, arg := range c.Args[1:] {
		if _, err := appliance.ParseConfigKey(arg); err != nil {
			return err
		}
	}
	return f.change(ctx, c, "unset", nil, c.Args[1:])
}

// change changes the environment and, unless told otherwise, restarts the app
// with it. Values are printed nowhere.
func (f config) change(ctx context.Context, c *Call, verb string, set map[string]string, unset []string) error {
	keys := strings.Join(append(slices.Sorted(maps.Keys(set)), unset...), " ")
	if keys == "" {
		return errors.New("at least one key must be given")
	}
	if err := f.Store.ChangeConfig(ctx, c.App, set, unset); err != nil {
		return err
	}
	title := map[string]string{"set": "Setting", "unset": "Unsetting"}[verb]
	fmt.Fprintf(c.Stdout, "-----> %s %s\n", title, keys)
	if c.Bool("no-restart") {
		return nil
	}
	return f.Reconfigure(ctx, c.App, fmt.Sprintf("config:%s %s", verb, keys), c.Stdout)
}
