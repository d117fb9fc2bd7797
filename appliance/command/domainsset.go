package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// noHost is the error for an app that nothing leads to.
func noHost(app appliance.AppName) error {
	return appliance.WithHint(fmt.Errorf("domain of %s %w", app, appliance.ErrNotFound),
		fmt.Sprintf("add one: domains:add %s <domain>; or give it its own host back: domains:reset %s; or domains:enable %s", app, app, app))
}

func (d domains) set(ctx context.Context, c *Call) error {
	list, err := d.parse(ctx, c)
	if err != nil {
		return err
	}
	if err := d.replace(ctx, c, list, false); err != nil {
		return err
	}
	for _, domain := range list {
		fmt.Fprintf(c.Stdout, "-----> Added %s to %s\n", domain, c.App)
	}
	return d.come(ctx, c, list)
}

func (d domains) clear(ctx context.Context, c *Call) error {
	if err := d.replace(ctx, c, nil, false); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Cleared domains of %s: nothing leads to it\n", c.App)
	return nil
}

func (d domains) reset(ctx context.Context, c *Call) error {
	if err := d.replace(ctx, c, nil, true); err != nil {
		return err
	}
	host, err := d.Host(ctx, c.App)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Reset domains of %s to %s\n", c.App, host)
	return nil
}

// replace gives an app these domains instead of those it has, at once.
func (d domains) replace(ctx context.Context, c *Call, list []string, own bool) error {
	before, err := d.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	hosts, err := d.OwnHosts(ctx, c.App)
	if err != nil {
		return err
	}
	off := "off"
	if own || slices.ContainsFunc(hosts, func(host string) bool { return slices.Contains(list, host) }) {
		off = ""
	}
	if err := d.Store.SetDomains(ctx, c.App, list, pipeline.OwnHostSetting, off); err != nil {
		return err
	}
	if err := d.Restore(ctx, c.App); err != nil {
		return err
	}
	return d.Forget(ctx, before...)
}

// disable has no domain lead to an app, or each of them again.
func (d domains) disable(value string) func(context.Context, *Call) error {
	return func(ctx context.Context, c *Call) error {
		if err := d.Store.SetApp(ctx, c.App, pipeline.NoDomainsSetting, value); err != nil {
			return err
		}
		if err := d.Restore(ctx, c.App); err != nil {
			return err
		}
		if value != "" {
			fmt.Fprintf(c.Stdout, "-----> Domains of %s are disabled: nothing leads to it\n", c.App)
			return nil
		}
		host, err := d.Host(ctx, c.App)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> Domains of %s are enabled: %s\n", c.App, d.Addresses.URL(host))
		return nil
	}
}
