package pipeline

import (
	"context"
	"fmt"
	"net/netip"
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

// Hosts returns every host that leads to app, the one to show people first: a
// domain that was added goes before the app's own host.
func (p *Pipeline) Hosts(ctx context.Context, app appliance.AppName) ([]string, error) {
	hosts, err := p.Store.Domains(ctx, app)
	if err != nil {
		return nil, err
	}
	domain, err := p.Domain(ctx)
	if err != nil {
		return nil, err
	}
	return append(hosts, string(app)+"."+domain), nil
}

// URL returns the address to show people for a host.
func (a Addresses) URL(host string) string {
	if a.HTTPSPort == 0 || a.HTTPSPort == 443 {
		return "https://" + host
	}
	return fmt.Sprintf("https://%s:%d", host, a.HTTPSPort)
}
