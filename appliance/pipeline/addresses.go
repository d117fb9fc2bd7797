package pipeline

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Addresses says where apps are found on this machine.
type Addresses struct {
	IP        netip.Addr // the machine's public address; the zero Addr if it has none
	HTTPSPort int        // 443 but in tests
}

// Settings about domains. The first two are of the machine, the others of an
// app.
const (
	DomainSetting      = "domain"           // below which every app has a host of its own
	MoreDomainsSetting = "domains"          // a list: below each, apps have another
	OwnHostSetting     = "own-host"         // "off" if the app has none of them
	NoDomainsSetting   = "domains-disabled" // "true" if nothing leads to the app
)

// Domain returns the domain below which every app has a host: the one that was
// set, else one that leads to the machine's public address without anybody's
// doing, else one that leads to the machine itself.
func (p *Pipeline) Domain(ctx context.Context) (string, error) {
	domain, err := p.Store.Setting(ctx, DomainSetting)
	if err != nil || domain != "" {
		return domain, err
	}
	return p.Addresses.Domain(), nil
}

// Domain returns the domain below which apps have a host until one is set.
func (a Addresses) Domain() string {
	if !a.IP.IsValid() {
		return "localhost"
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(a.IP.String()) + ".sslip.io"
}

// Domains returns every domain below which apps have a host, that of Domain
// first.
func (p *Pipeline) Domains(ctx context.Context) ([]string, error) {
	domain, err := p.Domain(ctx)
	if err != nil {
		return nil, err
	}
	more, err := Kept[[]string](ctx, p, "", MoreDomainsSetting)
	return append([]string{domain}, more...), err
}

// OwnHosts returns the hosts that an app has, or would have, by its name.
func (p *Pipeline) OwnHosts(ctx context.Context, app appliance.AppName) (hosts []string, err error) {
	domains, err := p.Domains(ctx)
	for _, domain := range domains {
		hosts = append(hosts, string(app)+"."+domain)
	}
	return hosts, err
}

// Host returns the host to show people, or "" if none leads to the app.
func (p *Pipeline) Host(ctx context.Context, app appliance.AppName) (string, error) {
	hosts, err := p.Hosts(ctx, app)
	if err != nil || len(hosts) == 0 {
		return "", err
	}
	return hosts[0], nil
}

// Hosts returns every domain that leads to app, if any, the one to show people first: a
// host that was added, or a path there, goes before the app's own host, and
// that before wildcards, which nobody can open.
func (p *Pipeline) Hosts(ctx context.Context, app appliance.AppName) ([]string, error) {
	disabled, err := p.Store.AppSetting(ctx, app, NoDomainsSetting)
	if err != nil || disabled == "true" {
		return nil, err
	}
	hosts, err := p.Store.Domains(ctx, app)
	if err != nil {
		return nil, err
	}
	own, err := p.OwnHosts(ctx, app)
	if err != nil {
		return nil, err
	}
	off, err := p.Store.AppSetting(ctx, app, OwnHostSetting)
	if err != nil {
		return nil, err
	}
	rank := func(domain string) int {
		switch {
		case appliance.IsWildcard(domain):
			return 3
		case slices.Contains(own, domain):
			return 2
		case strings.Contains(domain, "/"):
			return 1
		}
		return 0
	}
	for _, host := range own {
		if off != "off" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	slices.SortStableFunc(hosts, func(a, b string) int { return rank(a) - rank(b) })
	return hosts, nil
}

// URL returns the address to show people for a domain.
func (a Addresses) URL(domain string) string {
	if a.HTTPSPort == 0 || a.HTTPSPort == 443 {
		return "https://" + domain
	}
	host, path, isPath := strings.Cut(domain, "/")
	if isPath {
		path = "/" + path
	}
	return fmt.Sprintf("https://%s:%d%s", host, a.HTTPSPort, path)
}
