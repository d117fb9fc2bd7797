package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type domains struct {
	*pipeline.Pipeline
}

// Domains returns the commands about the hosts that lead to apps.
func Domains(p *pipeline.Pipeline) []Command {
	d := domains{p}
	return []Command{
		{Name: "domains", Args: "<app>", Short: "list the hosts of an app", For: Member, Reads: true, Run: d.report, Flags: listing},
		{Name: "domains:report", Args: "<app>", Short: "list the hosts of an app", For: Member, Reads: true, Run: d.report, Flags: listing},
		{Name: "domains:add", Args: "<app> <host>...", Short: "let hosts lead to an app", For: Member, Run: d.add},
		{Name: "domains:remove", Args: "<app> <host>...", Short: "take hosts from an app", For: Member, Run: d.remove},
		{Name: "domains:set-global", Args: "<domain>", Short: "give every app a host below a domain", Run: d.setGlobal},
		{Name: "domains:clear-global", Short: "take the domain of all apps back", Run: d.clearGlobal},
	}
}

func (d domains) report(ctx context.Context, c *Call) error {
	hosts, err := d.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	return c.List(string(c.App)+" domains", hosts, hosts)
}

func (d domains) add(ctx context.Context, c *Call) error {
	for _, arg := range c.Args[1:] {
		host, err := d.free(ctx, c.App, arg)
		if err != nil {
			return err
		}
		err = d.Store.AddDomain(ctx, c.App, host)
		if owner, _ := d.Store.DomainOwner(ctx, host); errors.Is(err, appliance.ErrExists) && owner == c.App {
			err = nil // as it was asked for
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> Added %s to %s\n", host, c.App)
	}
	return d.Restore(ctx, c.App)
}

// free checks that a host can be added to app: that it is not the host that
// another app has of itself.
func (d domains) free(ctx context.Context, app appliance.AppName, arg string) (string, error) {
	host, err := appliance.ParseHost(arg)
	if err != nil {
		return "", err
	}
	others, err := d.Store.Apps(ctx)
	if err != nil {
		return "", err
	}
	domain, err := d.Domain(ctx)
	if err != nil {
		return "", err
	}
	for _, other := range others {
		if other.Name != app && host == string(other.Name)+"."+domain {
			return "", fmt.Errorf("%s %w, as the host of the app %s", host, appliance.ErrExists, other.Name)
		}
	}
	return host, nil
}

func (d domains) remove(ctx context.Context, c *Call) error {
	for _, arg := range c.Args[1:] {
		host, err := appliance.ParseHost(arg)
		if err != nil {
			return err
		}
		if err := d.Store.RemoveDomain(ctx, c.App, host); err != nil {
			return err
		}
		d.Certificates.Forget(host)
		fmt.Fprintf(c.Stdout, "-----> Removed %s from %s\n", host, c.App)
	}
	return d.Restore(ctx, c.App)
}

func (d domains) setGlobal(ctx context.Context, c *Call) error {
	domain, err := appliance.ParseHost(c.Args[0])
	if err != nil {
		return err
	}
	return d.moveTo(ctx, c, domain)
}

func (d domains) clearGlobal(ctx context.Context, c *Call) error { return d.moveTo(ctx, c, "") }

// moveTo gives every app its host below another domain, at once.
func (d domains) moveTo(ctx context.Context, c *Call, domain string) error {
	now := cmp.Or(domain, d.Addresses.Domain())
	apps, err := d.Store.Apps(ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		host := string(app.Name) + "." + now
		owner, err := d.Store.DomainOwner(ctx, host)
		if err == nil && owner != app.Name {
			return appliance.WithHint(fmt.Errorf("%s would be the host of %s, but %w as a domain of %s", host, app.Name, appliance.ErrExists, owner),
				fmt.Sprintf("take it from there first: domains:remove %s %s", owner, host))
		}
		if err != nil && !errors.Is(err, appliance.ErrNotFound) {
			return err
		}
	}
	if err := d.Store.Set(ctx, pipeline.DomainSetting, domain); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Apps are at https://<app>.%s\n", now)
	return d.RestoreAll(ctx)
}
