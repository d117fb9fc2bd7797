package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// How many releases may be kept. The fewest are the live one and one to go
// back to.
const (
	minKeepReleases = 2
	maxKeepReleases = 200
)

func (r releases) set(ctx context.Context, c *Call) error {
	property, value := c.Args[1], strings.Join(c.Args[2:], "")
	if property != "keep" {
		return unknownProperty(property, "keep")
	}
	if n, err := strconv.Atoi(value); value != "" && (err != nil || n < minKeepReleases || n > maxKeepReleases) {
		return fmt.Errorf("%w keep %.40q: give a number from %d to %d", appliance.ErrInvalid, value, minKeepReleases, maxKeepReleases)
	}
	err := error(nil)
	if c.Global {
		err = r.Store.Set(ctx, pipeline.KeepReleasesSetting, value)
	} else {
		err = r.Store.SetApp(ctx, c.App, pipeline.KeepReleasesSetting, value)
	}
	if err != nil {
		return err
	}
	if value == "" {
		fmt.Fprintln(c.Stdout, "=====> Unsetting keep")
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting keep to %s\n", value)
	return nil
}

func (r releases) report(ctx context.Context, c *Call) error {
	all, err := r.Store.Setting(ctx, pipeline.KeepReleasesSetting)
	if err != nil {
		return err
	}
	keep, err := r.Property(ctx, c.App, pipeline.KeepReleasesSetting)
	if err != nil {
		return err
	}
	settings := properties{{"global-keep", all}, {"computed-keep", keep}}
	if c.Global {
		return c.Report("Global releases information", settings)
	}
	own, err := r.Store.AppSetting(ctx, c.App, pipeline.KeepReleasesSetting)
	if err != nil {
		return err
	}
	found, err := r.Store.Releases(ctx, c.App, -1)
	if err != nil {
		return err
	}
	live, back := "", ""
	if release, _, err := r.Release(ctx, c.App, 0); err == nil {
		live = fmt.Sprintf("v%d", release.Version)
	}
	if release, _, err := r.Back(ctx, c.App, 0); err == nil {
		back = fmt.Sprintf("v%d", release.Version)
	}
	return c.Report(string(c.App)+" releases information", append(properties{
		{"live", live}, {"rollback-to", back}, {"count", strconv.Itoa(len(found))}, {"keep", own},
	}, settings...))
}
