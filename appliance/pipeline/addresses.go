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

// DomainSetting is the setting for the domain below which every app has a
// host of its own.
const DomainSetting = "domain"

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

// Hosts returns every domain that leads to app, the one to show people first: a
// host that was added, or a path there, goes before the app's own host, and
// that before wildcards, which nobody can open.
func (p *Pipeline) Hosts(ctx context.Context, app appliance.AppName) ([]string, error) {
	hosts, err := p.Store.Domains(ctx, app)
	if err != nil {
		return nil, err
	}
	domain, err := p.Domain(ctx)
	if err != nil {
		return nil, err
	}
	own := string(app) + "." + domain
	rank := func(domain string) int {
		switch {
		case appliance.IsWildcard(domain):
			return 3
		case domain == own:
			return 2
		case strings.Contains(domain, "/"):
			return 1
		}
		return 0
	}
	hosts = append(hosts, own)
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
