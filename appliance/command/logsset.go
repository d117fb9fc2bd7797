package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

func (l logs) set(ctx context.Context, c *Call) error {
	name, value := c.Args[1], strings.Join(c.Args[2:], "")
	var property pipeline.LogProperty
	var known []string
	for _, p := range pipeline.LogProperties {
		known = append(known, p.Name)
		if p.Name == name {
			property = p
		}
	}
	switch {
	case property.Name == "":
		return unknownProperty(name, known...)
	case property.Machine && !c.Global:
		return appliance.WithHint(fmt.Errorf("%w: %s is of the whole machine", appliance.ErrInvalid, name), "logs:set --global "+name+" "+value)
	}
	if value != "" {
		if err := property.Check(value); err != nil {
			return fmt.Errorf("%w %s %.40q: %w", appliance.ErrInvalid, name, value, err)
		}
		if machine := l.LogBounds(""); !c.Global && !c.Actor.Admin && property.Exceeds(value, machine) {
			return appliance.WithHint(fmt.Errorf("%s of more than the machine's %s: %w", name, property.Show(machine), appliance.ErrDenied),
				fmt.Sprintf("an admin can allow it: logs:set %s %s %s", c.App, name, value))
		}
	}
	if err := resources(l).set(ctx, c, property.Setting, value); err != nil {
		return err
	}
	if err := l.ApplyLogBounds(ctx); err != nil {
		return err
	}
	if err := l.Logs.Tidy(); err != nil {
		return err
	}
	whose := string(c.App)
	if c.Global {
		whose = "all apps"
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", name, whose)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s of %s to %s\n", name, whose, value)
	return nil
}

func (l logs) report(ctx context.Context, c *Call) error {
	heading, report := "Global", properties{}
	if !c.Global {
		heading = string(c.App)
		size, err := l.Logs.Size(l.kept(c))
		if err != nil {
			return err
		}
		report = append(report, [2]string{"logs-size", strconv.FormatInt(size, 10)})
	}
	for _, p := range pipeline.LogProperties {
		if p.Machine && !c.Global {
			continue
		}
		if !c.Global {
			own, err := l.Store.AppSetting(ctx, c.App, p.Setting)
			if err != nil {
				return err
			}
			report = append(report, [2]string{p.Setting, own})
		}
		all, err := l.Store.Setting(ctx, p.Setting)
		if err != nil {
			return err
		}
		report = append(report, [2]string{"global-" + p.Setting, all}, [2]string{"computed-" + p.Setting, p.Show(l.LogBounds(c.App))})
	}
	return c.Report(heading+" logs information", report)
}
