package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// global returns the commands about the domains below which all apps are.
func (d domains) global() []Command {
	return []Command{
		{Name: "domains:add-global", Args: "<domain>...", Short: "give every app another host, below another domain", Run: d.addGlobal},
		{Name: "domains:remove-global", Args: "<domain>...", Short: "take the hosts below a domain from every app", Run: d.removeGlobal},
		{Name: "domains:set-global", Args: "<domain>...", Short: "give every app a host below a domain, or below each of several", Run: d.setGlobal},
		{Name: "domains:clear-global", Short: "take the domains of all apps back", Run: d.clearGlobal},
	}
}

func (d domains) setGlobal(ctx context.Context, c *Call) error {
	list, err := parseHosts(c.Args)
	if err != nil {
		return err
	}
	return d.moveTo(ctx, c, list)
}

func (d domains) clearGlobal(ctx context.Context, c *Call) error { return d.moveTo(ctx, c, nil) }

func (d domains) addGlobal(ctx context.Context, c *Call) error {
	list, err := parseHosts(c.Args)
	if err != nil {
		return err
	}
	set, err := d.setDomains(ctx)
	if err != nil {
		return err
	}
	for _, domain := range list {
		if !slices.Contains(set, domain) {
			set = append(set, domain)
		}
	}
	return d.moveTo(ctx, c, set)
}

func (d domains) removeGlobal(ctx context.Context, c *Call) error {
	list, err := parseHosts(c.Args)
	if err != nil {
		return err
	}
	set, err := d.setDomains(ctx)
	if err != nil {
		return err
	}
	for _, domain := range list {
		i := slices.Index(set, domain)
		if i < 0 {
			return appliance.WithHint(fmt.Errorf("global domain %s %w", domain, appliance.ErrNotFound), "domains:report --global shows them")
		}
		set = slices.Delete(set, i, i+1)
	}
	return d.moveTo(ctx, c, set)
}

// setDomains returns the domains of all apps that somebody has set.
func (d domains) setDomains(ctx context.Context) ([]string, error) {
	main, err := d.Store.Setting(ctx, pipeline.DomainSetting)
	if err != nil || main == "" {
		return nil, err
	}
	return d.Pipeline.Domains(ctx)
}

func parseHosts(args []string) (list []string, err error) {
	for _, arg := range args {
		host, err := appliance.ParseHost(arg)
		if err != nil {
			return nil, err
		}
		list = append(list, host)
	}
	return list, nil
}

// moveTo gives every app its hosts below other domains, at once.
func (d domains) moveTo(ctx context.Context, c *Call, set []string) error {
	now := set
	if len(now) == 0 {
		now = []string{d.Addresses.Domain()}
	}
	if err := d.freeForAll(ctx, now); err != nil {
		return err
	}
	main, more := "", []string{}
	if len(set) > 0 {
		main, more = set[0], set[1:]
	}
	if err := cmp.Or(d.Keep(ctx, "", pipeline.MoreDomainsSetting, more), d.Store.Set(ctx, pipeline.DomainSetting, main)); err != nil {
		return err
	}
	settings, err := ACME(ctx, d.Store) // one wildcard may be good for all
	if err != nil {
		return err
	}
	d.Certificates.Configure(settings)
	for _, domain := range now {
		fmt.Fprintf(c.Stdout, "-----> Apps are at https://<app>.%s\n", domain)
	}
	return d.RestoreAll(ctx)
}

// freeForAll checks that no app has as a domain what is to be another's host.
func (d domains) freeForAll(ctx context.Context, domains []string) error {
	apps, err := d.Store.Apps(ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		for _, domain := range domains {
			host := string(app.Name) + "." + domain
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
	}
	return nil
}
