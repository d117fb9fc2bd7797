package command

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

func (s ps) report(ctx context.Context, c *Call) error {
	app, processes, crashes, err := s.look(ctx, c.App)
	if err != nil {
		return err
	}
	stopped, err := s.Stopped(ctx, c.App)
	if err != nil {
		return err
	}
	canScale, running, states := true, 0, properties{}
	if app.LiveRelease != 0 {
		live, err := s.Store.Release(ctx, c.App, app.LiveRelease)
		if err != nil {
			return err
		}
		for _, wanted := range live.AppJSON.Formation {
			canScale = canScale && wanted.Quantity == nil
		}
	}
	for _, p := range processes {
		if p.Running {
			running++
		}
		state := fmt.Sprintf("%s (CID: %.12s)", status(p, app.Live, crashes[p.ID]), p.ID)
		states = append(states, [2]string{fmt.Sprintf("status-%s-%d", p.Type, p.Index), state})
	}
	isRunning := strconv.FormatBool(running > 0)
	if running > 0 && running < len(processes) {
		isRunning = "mixed"
	}
	report := properties{
		{"deployed", strconv.FormatBool(app.LiveRelease != 0)},
		{"processes", strconv.Itoa(len(processes))},
		{"can-scale", strconv.FormatBool(canScale)},
		{"restore", strconv.FormatBool(!stopped)},
		{"running", isRunning},
	}
	for _, name := range psProperties {
		value, err := s.Store.AppSetting(ctx, c.App, name)
		if err != nil {
			return err
		}
		report = append(report, [2]string{name, value})
		if otherwise, ok := pipeline.ProcessDefaults[name]; ok {
			if value == "" {
				value = otherwise
			}
			report = append(report, [2]string{"computed-" + name, value})
		}
	}
	commands, err := s.StartCommands(ctx, c.App)
	if err != nil {
		return err
	}
	secrets, err := seesSecrets(ctx, s.Store, c)
	if err != nil {
		return err
	}
	for typ := range commands {
		if !secrets { // there may be a token in it
			commands[typ] = forDeployers
		}
	}
	report = append(report, [2]string{pipeline.StartCommandSetting, commands[pipeline.Web]})
	for _, typ := range slices.Sorted(maps.Keys(commands)) {
		if typ != pipeline.Web {
			report = append(report, [2]string{pipeline.StartCommandSetting + "-" + typ, commands[typ]})
		}
	}
	return c.Report(string(c.App)+" ps information", append(report, states...))
}

// forDeployers stands for what is set, but not shown to whoever only views the
// app.
const forDeployers = "(for deployers)"

// psProperties are what ps:set sets.
var psProperties = []string{pipeline.RestartPolicySetting, pipeline.StopTimeoutSetting, pipeline.ProcfileSetting}

func (s ps) set(ctx context.Context, c *Call) error {
	property, value := c.Args[1], ""
	if len(c.Args) > 2 {
		value = c.Args[2]
	}
	var err error
	if property == "dockerfile-start-cmd" { // Dokku has both
		property = pipeline.StartCommandSetting
	}
	if c.Flags.Changed("process-type") && property != pipeline.StartCommandSetting {
		return fmt.Errorf("%w: --process-type is of %s", ErrUsage, pipeline.StartCommandSetting)
	}
	switch property {
	case pipeline.ProcfileSetting:
		if value != "" && (!filepath.IsLocal(value) || len(value) > 500 || strings.ContainsAny(value, "\x00\r\n")) {
			return appliance.WithHint(fmt.Errorf("%w procfile-path %.80q", appliance.ErrInvalid, value), "name a file of the repository, as in deploy/Procfile")
		}
		err = s.Store.SetApp(ctx, c.App, property, value)
	case pipeline.StartCommandSetting:
		typ, _ := c.Flags.GetString("process-type")
		if !processType.MatchString(typ) || typ == pipeline.Release {
			return fmt.Errorf("%w process type %.60q", appliance.ErrInvalid, typ)
		}
		if len(value) > 4096 || strings.ContainsAny(value, "\x00\r\n") {
			return fmt.Errorf("%w start command: give one line of at most 4096 bytes", appliance.ErrInvalid)
		}
		err = s.SetStartCommand(ctx, c.App, typ, value)
	case pipeline.RestartPolicySetting:
		err = s.SetRestartPolicy(ctx, c.App, value)
	case pipeline.StopTimeoutSetting:
		if n, numErr := strconv.Atoi(value); value != "" && (numErr != nil || n < 0 || n > maxStopTimeout) {
			return fmt.Errorf("%w stop timeout %.80q: give seconds, from 0 to %d", appliance.ErrInvalid, value, maxStopTimeout)
		}
		err = s.Store.SetApp(ctx, c.App, property, value)
	default:
		return unknownProperty(property, append(psProperties, pipeline.StartCommandSetting)...)
	}
	if err != nil {
		return err
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", property, c.App)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s of %s to %s\n", property, c.App, value)
	return nil
}

// maxStopTimeout is how long a process may take to end, in seconds.
const maxStopTimeout = 3600
