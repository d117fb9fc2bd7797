package command

import (
	"cmp"
	"context"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type settings struct {
	*pipeline.Pipeline
}

// Settings returns the commands that change how an app is checked.
func Settings(p *pipeline.Pipeline) []Command {
	s := settings{p}
	return []Command{
		{Name: "checks:set", Args: "<app> <property> [<value>]", Short: "set path, timeout, overlap or wait-to-retire of the checks at a deploy", For: Deployer, Run: s.checks},
		{Name: "checks:disable", Args: "<app>", Short: "end the old processes before the new ones start; requests wait meanwhile", For: Deployer, Run: s.overlap("off", "")},
		{Name: "checks:enable", Args: "<app>", Short: "let the new processes start beside the old ones", For: Deployer, Run: s.overlap("", "")},
		{Name: "checks:skip", Args: "<app>", Short: "let the new processes start beside the old ones, and send them traffic unchecked", For: Deployer, Run: s.overlap("", "true")},
		{Name: "checks:run", Args: "<app> [<process>]", Short: "check the processes that run now", For: Deployer, Run: s.run},
		{Name: "checks:report", Args: "<app>", Short: "show how an app is checked at a deploy", For: Viewer, Reads: true, Run: s.report, Flags: listing},
	}
}

// maxCheckTimeout is how long a push may wait for an app, in seconds.
const maxCheckTimeout = 3600

func (s settings) checks(ctx context.Context, c *Call) error {
	value := strings.Join(c.Args[2:], "")
	switch property := c.Args[1]; property {
	case "path":
		if value != "" && value != "tcp" && !strings.HasPrefix(value, "/") {
			return appliance.WithHint(fmt.Errorf("%w path %.80q", appliance.ErrInvalid, value), `begin it with a slash, as in /up, or write tcp to ask for a connection only`)
		}
		return s.set(ctx, c, pipeline.CheckPathSetting, value)
	case "timeout":
		if n, err := strconv.Atoi(value); value != "" && (err != nil || n < 1 || n > maxCheckTimeout) {
			return fmt.Errorf("%w timeout %.80q: give seconds, from 1 to %d", appliance.ErrInvalid, value, maxCheckTimeout)
		}
		return s.set(ctx, c, pipeline.CheckTimeoutSetting, value)
	case "overlap":
		if value != "" && value != "on" && value != "off" {
			return fmt.Errorf("%w overlap %.80q: give on or off, or nothing to have it found out", appliance.ErrInvalid, value)
		}
		return s.set(ctx, c, pipeline.OverlapSetting, value)
	case pipeline.WaitToRetireSetting:
		if n, err := strconv.Atoi(value); value != "" && (err != nil || n < 0 || n > maxCheckTimeout) {
			return fmt.Errorf("%w wait-to-retire %.80q: give seconds, from 0 to %d", appliance.ErrInvalid, value, maxCheckTimeout)
		}
		return s.set(ctx, c, property, value)
	default:
		return unknownProperty(property, "path", "timeout", "overlap", pipeline.WaitToRetireSetting)
	}
}

// overlap is what Dokku calls zero downtime. Unlike there, requests wait
// rather than fail, and what starts is checked unless that is skipped.
func (s settings) overlap(overlap, skip string) func(context.Context, *Call) error {
	return func(ctx context.Context, c *Call) error {
		if err := s.Store.SetApp(ctx, c.App, pipeline.CheckSkipSetting, skip); err != nil {
			return err
		}
		if skip != "" {
			fmt.Fprintf(c.Stdout, "=====> Skipping the checks of %s\n", c.App)
			return s.Store.SetApp(ctx, c.App, pipeline.OverlapSetting, overlap)
		}
		return s.set(ctx, c, pipeline.OverlapSetting, overlap)
	}
}

// run asks the processes that run what they are asked at a deploy.
func (s settings) run(ctx context.Context, c *Call) error {
	if err := ps(s).deployed(ctx, c.App); err != nil {
		return err
	}
	return s.CheckNow(ctx, c.App, strings.Join(c.Args[1:], ""), c.Stdout)
}

func (s settings) report(ctx context.Context, c *Call) error {
	var row struct {
		Path    string `json:"path"`
		Timeout string `json:"timeout"`
		Overlap string `json:"overlap"`
		Skipped string `json:"skipped"`
		Retire  string `json:"wait-to-retire"`
	}
	var rows []string
	for _, property := range []struct {
		setting, otherwise string
		value              *string
	}{
		{pipeline.CheckPathSetting, "/ (any answer below 500)", &row.Path},
		{pipeline.CheckTimeoutSetting, "60", &row.Timeout},
		{pipeline.OverlapSetting, "unless app.json or a volume says otherwise", &row.Overlap},
		{pipeline.CheckSkipSetting, "false", &row.Skipped},
		{pipeline.WaitToRetireSetting, pipeline.ProcessDefaults[pipeline.WaitToRetireSetting], &row.Retire},
	} {
		value, err := s.Store.AppSetting(ctx, c.App, property.setting)
		if err != nil {
			return err
		}
		*property.value = value
		rows = append(rows, fmt.Sprintf("%-16s %s", property.setting, cmp.Or(value, property.otherwise)))
	}
	return c.List(string(c.App)+" checks", row, rows)
}

func (s settings) set(ctx context.Context, c *Call, name, value string) error {
	if err := s.Store.SetApp(ctx, c.App, name, value); err != nil {
		return err
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", name, c.App)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s of %s to %s\n", name, c.App, value)
	return nil
}

func unknownProperty(name string, known ...string) error {
	hint := "known: " + strings.Join(known, ", ")
	if why := insteadOfProperty[name]; why != "" {
		hint = "instead: " + why + "\n" + hint
	}
	return appliance.WithHint(fmt.Errorf("property %.60q %w", name, appliance.ErrNotFound), hint)
}

// global declares --global, which Dokku's users write where a setting can be
// an app's too.
func global(fs *pflag.FlagSet) { fs.Bool("global", false, "of the whole machine (always so)") }

// checkDirectory checks the address of an ACME directory.
func checkDirectory(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%w ACME directory %.200q: give a https:// address", appliance.ErrInvalid, s)
	}
	return nil
}

func checkEmail(s string) error {
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return fmt.Errorf("%w e-mail address %.200q", appliance.ErrInvalid, s)
	}
	return nil
}
