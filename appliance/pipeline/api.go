package pipeline

import (
	"context"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

// APIHostSetting is the host at which commands are answered over HTTPS; none if
// "".
const APIHostSetting = "api-host"

// apiOwner is who has the certificate of that host. No app has such a name.
const apiOwner = "_api"

// ApplyAPI has commands answered at the host that was set.
func (p *Pipeline) ApplyAPI(ctx context.Context) error {
	host, err := p.Store.Setting(ctx, APIHostSetting)
	if err != nil || host == "" || p.API == nil {
		return err
	}
	p.Router.Handle(host, p.API)
	p.Certificates.ManageFor(apiOwner, host)
	return nil
}

// EnableAPI has commands answered at host, or at one of the machine's own if it
// is "". It returns the host.
func (p *Pipeline) EnableAPI(ctx context.Context, host string) (string, error) {
	p.doors.Lock()
	defer p.doors.Unlock()
	before, err := p.Store.Setting(ctx, APIHostSetting)
	if err != nil {
		return "", err
	}
	if host == "" {
		domain, err := p.Domain(ctx)
		if err != nil {
			return "", err
		}
		host = "berth." + domain
	}
	if host, err = appliance.ParseHost(host); err != nil || host == before {
		return host, err
	}
	if p.Router.Serves(host) {
		return "", appliance.WithHint(fmt.Errorf("host %s %w: it leads to an app", host, appliance.ErrExists), "name another: api:enable api."+host)
	}
	if err := p.Store.Set(ctx, APIHostSetting, host); err != nil {
		return "", err
	}
	p.forsake(before)
	return host, p.ApplyAPI(ctx)
}

// DisableAPI has commands answered over SSH only.
func (p *Pipeline) DisableAPI(ctx context.Context) error {
	p.doors.Lock()
	defer p.doors.Unlock()
	before, err := p.Store.Setting(ctx, APIHostSetting)
	if err != nil {
		return err
	}
	if err := p.Store.Set(ctx, APIHostSetting, ""); err != nil {
		return err
	}
	p.forsake(before)
	return nil
}

// forsake gives up a host at which commands were answered.
func (p *Pipeline) forsake(host string) {
	if host == "" {
		return
	}
	p.Router.Handle(host, nil)
	p.Certificates.ManageFor(apiOwner)
	p.Certificates.Forget(host)
}
