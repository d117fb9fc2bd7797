package command

import (
	"fmt"
	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// AppJSON returns the commands that say where an app's app.json is.
func AppJSON(p *pipeline.Pipeline) []Command {
	return propertyGroup{p, "app-json", "where an app's app.json is", []property{
		{"appjson-path", pipeline.AppJSONSetting, parseAppJSONPath, "the next build"},
	}}.commands()
}

func parseAppJSONPath(value string) (string, error) {
	path, err := parseSourcePath("appjson-path", value)
	if err == nil && path == "" {
		return "", appliance.WithHint(fmt.Errorf("%w appjson-path %.80q", appliance.ErrInvalid, value), "name a file of the repository, as in deploy/app.json")
	}
	return path, err
}
