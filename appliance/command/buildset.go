package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// How much may be asked for.
const (
	maxRetention = 200 // each has up to a megabyte of output
	maxParallel  = 64
)

func (b builds) set(ctx context.Context, c *Call) error {
	property, value := c.Args[1], strings.Join(c.Args[2:], "")
	n, most := 0, map[string]int{"retention": maxRetention, "parallel": maxParallel}[property]
	if most == 0 {
		return unknownProperty(property, "retention", "parallel")
	}
	if value != "" {
		var err error
		if n, err = strconv.Atoi(value); err != nil || n < 1 || n > most {
			return fmt.Errorf("%w %s %.40q: give a number from 1 to %d", appliance.ErrInvalid, property, value, most)
		}
	}
	switch {
	case property == "parallel" && !c.Global:
		return appliance.WithHint(fmt.Errorf("%w: parallel is of the whole machine", appliance.ErrInvalid), "builds:set --global parallel "+value)
	case property == "parallel":
		if err := b.SetParallel(ctx, n); err != nil {
			return err
		}
	case c.Global:
		if err := b.Store.Set(ctx, pipeline.RetentionSetting, value); err != nil {
			return err
		}
	default:
		if err := b.Store.SetApp(ctx, c.App, pipeline.RetentionSetting, value); err != nil {
			return err
		}
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s\n", property)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s to %s\n", property, value)
	return nil
}

func (b builds) report(ctx context.Context, c *Call) error {
	all, err := b.Store.Setting(ctx, pipeline.RetentionSetting)
	if err != nil {
		return err
	}
	var report properties
	if c.Global {
		parallel, err := b.Parallel(ctx)
		if err != nil {
			return err
		}
		report = properties{{"global-retention", all}, {"parallel", strconv.Itoa(parallel)}}
		return c.Report("Global builds information", report)
	}
	own, err := b.Store.AppSetting(ctx, c.App, pipeline.RetentionSetting)
	if err != nil {
		return err
	}
	keep, err := b.Retention(ctx, c.App)
	if err != nil {
		return err
	}
	last, err := b.Store.Build(ctx, c.App, 0)
	switch {
	case err == nil:
		row := newBuildRow(last)
		ended := ""
		if row.Ended != nil {
			ended = row.Ended.Format(time.RFC3339)
		}
		report = properties{
			{"build-id", strconv.Itoa(row.Number)}, {"build-kind", row.Kind}, {"build-status", row.Status}, {"build-source", row.Source},
			{"build-started-at", row.Started.Format(time.RFC3339)}, {"build-finished-at", ended},
		}
	case !errors.Is(err, appliance.ErrNotFound):
		return err
	}
	report = append(report, properties{{"retention", own}, {"global-retention", all}, {"computed-retention", strconv.Itoa(keep)}}...)
	return c.Report(string(c.App)+" builds information", report)
}
