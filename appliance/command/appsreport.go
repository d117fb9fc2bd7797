package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// reports returns the commands about what holds for apps as a whole.
func (a apps) reports() []Command {
	return []Command{
		{Name: "apps:report", Args: "<app>", Short: "show what is known of an app", For: Viewer, Reads: true, Global: true, Run: a.report, Flags: listing},
		{Name: "apps:set", Args: "<app> <property> [<value>]", Short: "set disable-autocreation, with --global: a push makes no app", Global: true, Run: a.set},
	}
}

func (a apps) report(ctx context.Context, c *Call) error {
	disabled, err := a.Store.Setting(ctx, pipeline.AutocreationSetting)
	if err != nil {
		return err
	}
	off := [2]string{"app-global-disable-autocreation", strconv.FormatBool(disabled == "true")}
	if c.Global {
		return c.Report("Global app information", properties{off})
	}
	app, err := a.Store.App(ctx, c.App)
	if err != nil {
		return err
	}
	by, err := a.Store.AppSetting(ctx, c.App, pipeline.LockSetting)
	if err != nil {
		return err
	}
	source, metadata, release := "", "", ""
	if app.LiveRelease != 0 {
		live, err := a.Store.Release(ctx, c.App, app.LiveRelease)
		if err != nil {
			return err
		}
		source, metadata, release = live.Reason, live.Commit, fmt.Sprintf("v%d", live.Version)
	}
	return c.Report(string(c.App)+" app information", properties{
		{"app-created-at", strconv.FormatInt(app.CreatedAt.Unix(), 10)},
		{"app-deploy-source", source}, {"app-deploy-source-metadata", metadata}, {"app-release", release},
		{"app-dir", a.Repos.Path(c.App)}, {"app-docker-name", a.Service(c.App)},
		{"app-locked", strconv.FormatBool(by != "")}, {"app-locked-by", strings.TrimPrefix(by, "by ")}, off,
	})
}

func (a apps) set(ctx context.Context, c *Call) error {
	property, value := c.Args[1], strings.Join(c.Args[2:], "")
	switch {
	case property != pipeline.AutocreationSetting:
		return unknownProperty(property, pipeline.AutocreationSetting)
	case !c.Global:
		return appliance.WithHint(fmt.Errorf("%w: %s is of the whole machine", appliance.ErrInvalid, property), strings.TrimSpace("apps:set --global "+property+" "+value))
	}
	if value != "" {
		if _, err := parseTrueFalse(value); err != nil {
			return err
		}
	}
	if err := a.Store.Set(ctx, property, value); err != nil {
		return err
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s\n", property)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s to %s\n", property, value)
	return nil
}
