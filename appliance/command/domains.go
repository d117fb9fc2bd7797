package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	return append(d.global(), []Command{
		{Name: "domains", Args: "<app>", Short: "list the hosts of an app", For: Viewer, Reads: true, Run: d.list, Flags: listing},
		{Name: "domains:report", Args: "<app>", Short: "show the hosts of an app, and those of all", For: Viewer, Reads: true, Global: true, Run: d.report, Flags: listing},
		{Name: "domains:add", Args: "<app> <domain>...", Short: "let hosts, wildcards (*.example.org) or paths (example.org/api) lead to an app", For: Manager, Run: d.add},
		{Name: "domains:remove", Args: "<app> <domain>...", Short: "take them from an app", For: Manager, Run: d.remove},
		{Name: "domains:set", Args: "<app> <domain>...", Short: "let these domains lead to an app, and no others", For: Manager, Run: d.set},
		{Name: "domains:clear", Args: "<app>", Short: "take every domain from an app, its own host too", For: Manager, Run: d.clear},
		{Name: "domains:reset", Args: "<app>", Short: "leave an app its own host only", For: Manager, Run: d.reset},
		{Name: "domains:disable", Args: "<app>", Short: "let no domain lead to an app, without forgetting them", For: Manager, Run: d.disable("true")},
		{Name: "domains:enable", Args: "<app>", Short: "let the domains of an app lead to it again", For: Manager, Run: d.disable("")},
	}...)
}

func (d domains) list(ctx context.Context, c *Call) error {
	hosts, err := d.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	return c.List(string(c.App)+" domains", append([]string{}, hosts...), hosts)
}

func (d domains) report(ctx context.Context, c *Call) error {
	global, err := d.Pipeline.Domains(ctx)
	if err != nil {
		return err
	}
	machine := properties{{"domains-global-enabled", "true"}, {"domains-global-vhosts", strings.Join(global, " ")}}
	if c.Global {
		return c.Report("Global domains information", machine)
	}
	hosts, err := d.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	added, err := d.Store.Domains(ctx, c.App)
	if err != nil {
		return err
	}
	disabled, err := d.Store.AppSetting(ctx, c.App, pipeline.NoDomainsSetting)
	if err != nil {
		return err
	}
	return c.Report(string(c.App)+" domains information", append(properties{
		{"domains-app-enabled", strconv.FormatBool(disabled != "true")},
		{"domains-app-vhosts", strings.Join(hosts, " ")}, {"domains-added", strings.Join(added, " ")},
	}, machine...))
}

func (d domains) add(ctx context.Context, c *Call) error {
	list, err := d.parse(ctx, c)
	if err != nil {
		return err
	}
	own, err := d.OwnHosts(ctx, c.App)
	if err != nil {
		return err
	}
	for _, domain := range list {
		if slices.Contains(own, domain) { // it is there unless it was taken away
			if err := d.Store.SetApp(ctx, c.App, pipeline.OwnHostSetting, ""); err != nil {
				return err
			}
		}
		err := d.Store.AddDomain(ctx, c.App, domain)
		if err != nil && !errors.Is(err, appliance.ErrExists) { // as it was asked for: free has looked whose it is
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> Added %s to %s\n", domain, c.App)
	}
	return d.come(ctx, c, list)
}

// parse returns the domains that the call names, each of them free.
func (d domains) parse(ctx context.Context, c *Call) (list []string, err error) {
	for _, arg := range c.Args[1:] {
		domain, err := appliance.ParseDomain(arg)
		if err != nil {
			return nil, err
		}
		if err := d.free(ctx, c, domain); err != nil {
			return nil, err
		}
		list = append(list, domain)
	}
	return list, nil
}

// come routes domains that are new, and says what is wrong with them.
func (d domains) come(ctx context.Context, c *Call, list []string) error {
	if err := d.Restore(ctx, c.App); err != nil {
		return err
	}
	d.Certificates.Retry(appliance.HostsOf(list)...)
	d.warn(ctx, c, list)
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
	global, err := d.Pipeline.Domains(ctx)
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
	if below, wild := strings.CutPrefix(host, "*."); wild && slices.Contains(global, below) && !c.Actor.Admin {
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
		own, err := d.OwnHosts(ctx, other)
		if err != nil {
			return err
		}
		if slices.Contains(own, domain) {
			return taken(domain, other, "that is the app's own host, as long as apps are below "+strings.Join(global, ", "))
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
func (d domains) neighbours(ctx context.Context, host string, global []string) ([]appliance.AppName, error) {
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
	if err != nil || !slices.Contains(global, parent) {
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
	own, err := d.OwnHosts(ctx, c.App)
	if err != nil {
		return err
	}
	for _, arg := range c.Args[1:] {
		domain, err := appliance.ParseDomain(arg)
		if err != nil {
			return err
		}
		err = d.Store.RemoveDomain(ctx, c.App, domain)
		if slices.Contains(own, domain) {
			err = d.Store.SetApp(ctx, c.App, pipeline.OwnHostSetting, "off")
		}
		if err != nil {
			return err
		}
		if err := d.Forget(ctx, domain); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> Removed %s from %s\n", domain, c.App)
	}
	return d.Restore(ctx, c.App)
}
