package command

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
)

// A gitProperty is something that git:set sets.
type gitProperty struct {
	name  string
	admin bool // what protects the machine is not for everybody to change
	parse func(string) (string, error)
}

var gitProperties = []gitProperty{
	{name: pipeline.ArchiveMaxFilesSetting, admin: true, parse: parseCount},
	{name: pipeline.ArchiveMaxSizeSetting, admin: true, parse: parseCount},
	{name: pipeline.DeployBranchSetting, parse: ParseBranch},
	{name: pipeline.ImageMaxFilesSetting, admin: true, parse: parseCount},
	{name: pipeline.ImageMaxSizeSetting, admin: true, parse: parseCount},
	{name: pipeline.KeepGitDirSetting, parse: parseTrueFalse},
	{name: pipeline.PushMaxFilesSetting, admin: true, parse: parseCount},
	{name: pipeline.PushMaxSizeSetting, admin: true, parse: parseCount},
	{name: pipeline.RevEnvVarSetting, parse: parseRevEnvVar},
}

func parseCount(s string) (string, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err != nil || n < 1 || n > 1<<50 {
		return "", fmt.Errorf("%w value %.40q: give a number, in bytes or files", appliance.ErrInvalid, s)
	}
	return s, nil
}

func parseTrueFalse(s string) (string, error) {
	if s != "true" && s != "false" {
		return "", fmt.Errorf("%w value %.40q: give true or false", appliance.ErrInvalid, s)
	}
	return s, nil
}

// parseRevEnvVar takes "", too: then the commit is in no variable.
func parseRevEnvVar(s string) (string, error) {
	if s == "" {
		return pipeline.NoRevEnvVar, nil
	}
	return appliance.ParseConfigKey(s)
}

func (g repository) set(ctx context.Context, c *Call) error {
	var known []string
	for _, p := range gitProperties {
		if p.name == c.Args[1] {
			return g.setProperty(ctx, c, p)
		}
		known = append(known, p.name)
	}
	return unknownProperty(c.Args[1], known...)
}

func (g repository) setProperty(ctx context.Context, c *Call, p gitProperty) (err error) {
	if p.admin && !c.Actor.Admin {
		return appliance.WithHint(fmt.Errorf("git:set %s %s: %w", c.App, p.name, appliance.ErrDenied), "it protects the machine: ask an admin")
	}
	value := ""
	if len(c.Args) > 2 && (c.Args[2] != "" || p.name == pipeline.RevEnvVarSetting) {
		if value, err = p.parse(c.Args[2]); err != nil {
			return err
		}
	}
	whose := string(c.App)
	if c.Global {
		whose = "the machine"
		err = g.Store.Set(ctx, p.name, value)
	} else {
		err = g.Store.SetApp(ctx, c.App, p.name, value)
	}
	switch {
	case err != nil:
		return err
	case value == "":
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", p.name, whose)
	default:
		fmt.Fprintf(c.Stdout, "=====> Setting %s of %s to %s\n", p.name, whose, c.Args[2])
	}
	return nil
}

// report shows each property as it was set and as it holds.
func (g repository) report(ctx context.Context, c *Call) error {
	var rows properties
	for _, p := range gitProperties {
		own, err := g.Store.AppSetting(ctx, c.App, p.name)
		if err != nil {
			return err
		}
		machine, err := g.Store.Setting(ctx, p.name)
		if err != nil {
			return err
		}
		computed, err := g.Property(ctx, c.App, p.name)
		if err != nil {
			return err
		}
		rows = append(rows, [2]string{"git-" + p.name, own}, [2]string{"git-global-" + p.name, machine}, [2]string{"git-computed-" + p.name, computed})
	}
	key, err := g.deployKey(ctx, c.App)
	if err != nil {
		return err
	}
	tip, err := g.head(ctx, c.App)
	if err != nil {
		return err
	}
	updated := ""
	if !tip.At.IsZero() {
		updated = strconv.FormatInt(tip.At.Unix(), 10)
	}
	return c.Report(string(c.App)+" git information", append(rows,
		[2]string{"git-branch", tip.Branch}, [2]string{"git-deploy-key", key.Public}, [2]string{"git-last-updated-at", updated}, [2]string{"git-sha", tip.Commit}))
}

// head is the deploy branch, with its commit and the time that was made.
func (g repository) head(ctx context.Context, app appliance.AppName) (git.Tip, error) {
	branch, err := g.Property(ctx, app, pipeline.DeployBranchSetting)
	if err != nil {
		return git.Tip{}, err
	}
	tip, err := g.Repos.Tip(ctx, app, branch)
	if tip.Branch == "" {
		tip.Branch = branch // nothing was pushed to it yet
	}
	return tip, err
}

// status tells what the repository has, and what of it runs.
func (g repository) status(ctx context.Context, c *Call) error {
	tip, err := g.head(ctx, c.App)
	if err != nil {
		return err
	}
	app, err := g.Store.App(ctx, c.App)
	if err != nil {
		return err
	}
	rows := properties{{"branch", tip.Branch}, {"commit", tip.Commit}, {"committed-at", ""}, {"deployed-commit", ""}, {"release", ""}}
	if !tip.At.IsZero() {
		rows[2][1] = tip.At.UTC().Format(time.RFC3339)
	}
	if app.LiveRelease != 0 {
		live, err := g.Store.Release(ctx, c.App, app.LiveRelease)
		if err != nil {
			return err
		}
		rows[3][1], rows[4][1] = live.Commit, fmt.Sprintf("v%d", live.Version)
	}
	return c.Report(string(c.App)+" git status", rows)
}
