package command

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// importAll sets all that is on stdin, or, if one line of it is wrong, nothing.
func (f config) importAll(ctx context.Context, c *Call) error {
	format, err := c.Flags.GetString("format")
	if err != nil {
		return err
	}
	text, err := readInput(c.Stdin)
	if err != nil {
		return err
	}
	env, err := parseConfig(text, format)
	if err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(env))
	if len(keys) == 0 {
		return appliance.WithHint(fmt.Errorf("%w config: there is nothing on stdin", appliance.ErrInvalid),
			fmt.Sprintf("pipe it in: config:import %s < .env; to remove all, config:clear", ownerOf(c)))
	}
	if !c.Bool("replace") {
		err = f.Store.ChangeConfig(ctx, c.App, env, nil)
	} else {
		err = f.Store.ReplaceConfig(ctx, c.App, env)
	}
	if err != nil {
		return err
	}
	return f.changed(ctx, c, "import", "Setting", keys)
}

// parseConfig reads an environment. Errors do not quote it.
func parseConfig(text, format string) (map[string]string, error) {
	switch format {
	case "envfile":
		return appliance.ParseEnvfile(text)
	case "json":
	default:
		return nil, fmt.Errorf("%w: --format is envfile or json, not %.40q", ErrUsage, format)
	}
	var env map[string]string
	if err := json.Unmarshal([]byte(text), &env); err != nil {
		return nil, appliance.WithHint(fmt.Errorf("%w config: it is not one JSON object of strings", appliance.ErrInvalid), `write it as {"KEY": "value"}`)
	}
	for key, value := range env {
		if _, err := appliance.ParseConfigKey(key); err != nil {
			return nil, err
		}
		if _, _, err := appliance.ParseConfigPair(key + "=" + value); err != nil {
			return nil, err
		}
	}
	return env, nil
}
