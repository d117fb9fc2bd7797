package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

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
		{Name: "domains", Args: "<app>", Short: "list the hosts of an app", For: Viewer, Reads: true, Run: d.report, Flags: listing},
		{Name: "domains:report", Args: "<app>", Short: "list the hosts of an app", For: Viewer, Reads: true, Run: d.report, Flags: listing},
		{Name: "domains:add", Args: "<app> <domain>...", Short: "let hosts, wildcards (*.example.org) or paths (example.org/api) lead to an app", For: Manager, Run: d.add},
		{Name: "domains:remove", Args: "<app> <domain>...", Short: "take them from an app", For: Manager, Run: d.remove},
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
		domain, err := appliance.ParseDomain(arg)
		if err != nil {
			return err
		}
		if err := d.free(ctx, c, domain); err != nil {
			return err
		}
		err = d.Store.AddDomain(ctx, c.App, domain)
		if errors.Is(err, appliance.ErrExists) {
			err = nil // as it was asked for: free has looked whose it is
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> Added %s to %s\n", domain, c.App)
	}
	if err := d.Restore(ctx, c.App); err != nil {
		return err
	}
	d.Certificates.Retry(appliance.HostsOf(c.Args[1:])...)
	d.warn(ctx, c, c.Args[1:])
	return nil
}

// warn says what stands in the way of certificates.
func (d domains) warn(ctx context.Context, c *Call, domains []string) {
	for _, line := range d.CertificateTrouble(ctx, domains...) {
		fmt.Fprintf(c.Stderr, " !     %s\n", line)
	}
}

// free checks that a domain can be added to app: that it leads to no other
// app, and that who asks manages the apps that something is taken from,
// or whose host is shared. What is served at a path can do as the host's own
// pages do, to every visitor who is logged in there.
func (d domains) free(ctx context.Context, c *Call, domain string) error {
	global, err := d.Domain(ctx)
	if err != nil {
		return err
	}
	owner, err := d.Store.DomainOwner(ctx, domain)
	if err == nil && owner != c.App {
		return taken(domain, owner, fmt.Sprintf("take it from there first: domains:remove %s %s", owner, domain))
	}
	if err != nil && !errors.Is(err, appliance.ErrNotFound) {
		return err
	}
	host := appliance.HostOf(domain)
	if appliance.IsWildcard(host) && host == "*."+global && !c.Actor.Admin {
		return fmt.Errorf("%s is every name that no app has yet: %w", host, appliance.ErrDenied)
	}
	others, err := d.neighbours(ctx, host, global)
	if err != nil {
		return err
	}
	for _, other := range others {
		if other == c.App {
			continue
		}
		if domain == string(other)+"."+global {
			return taken(domain, other, "that is the app's own host, as long as apps are below "+global)
		}
		if err := Permit(ctx, d.Store, c.Actor, Manager, other); err != nil {
			return appliance.WithHint(fmt.Errorf("%s leads to the app %s: %w", host, other, err), "an admin, or a key with admin access to both apps, can do it")
		}
	}
	return nil
}

func taken(domain string, by appliance.AppName, hint string) error {
	return appliance.WithHint(fmt.Errorf("%s %w: it leads to the app %s", domain, appliance.ErrExists, by), hint)
}

// neighbours returns the apps that a host leads to as things are, be it by a
// path, a wildcard, or because it is the app's own.
func (d domains) neighbours(ctx context.Context, host, global string) ([]appliance.AppName, error) {
	list, err := d.Store.DomainOwners(ctx, host)
	if err != nil {
		return nil, err
	}
	label, parent, _ := strings.Cut(host, ".")
	if label != "*" {
		covering, err := d.Store.DomainOwners(ctx, "*."+parent)
		if err != nil {
			return nil, err
		}
		list = append(list, covering...)
	}
	name, err := appliance.ParseAppName(label)
	if err != nil || parent != global {
		return list, nil // it is no app's own
	}
	switch _, err := d.Store.App(ctx, name); {
	case errors.Is(err, appliance.ErrNotFound):
		return list, nil
	case err != nil:
		return nil, err
	}
	return append(list, name), nil
}

func (d domains) remove(ctx context.Context, c *Call) error {
	for _, arg := range c.Args[1:] {
		domain, err := appliance.ParseDomain(arg)
		if err != nil {
			return err
		}
		if err := d.Store.RemoveDomain(ctx, c.App, domain); err != nil {
			return err
		}
		if err := d.Forget(ctx, domain); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> Removed %s from %s\n", domain, c.App)
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
		owners, err := d.Store.DomainOwners(ctx, host)
		if err != nil {
			return err
		}
		for _, owner := range owners {
			if owner != app.Name {
				return appliance.WithHint(fmt.Errorf("%s would be the host of %s, but %w as a domain of %s", host, app.Name, appliance.ErrExists, owner),
					fmt.Sprintf("take it from there first: domains:remove %s %s", owner, host))
			}
		}
	}
	if err := d.Store.Set(ctx, pipeline.DomainSetting, domain); err != nil {
		return err
	}
	settings, err := ACME(ctx, d.Store) // one wildcard may be good for all
	if err != nil {
		return err
	}
	d.Certificates.Configure(settings)
	fmt.Fprintf(c.Stdout, "-----> Apps are at https://<app>.%s\n", now)
	return d.RestoreAll(ctx)
}
