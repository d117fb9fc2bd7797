package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// RouteAll sends the traffic of every app to what runs of it now, with the
// certificates that its hosts have. It starts and ends nothing, so it is soon
// done: what must be so before the first visitor is let in.
func (p *Pipeline) RouteAll(ctx context.Context) error {
	apps, err := p.Store.Apps(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, app := range apps {
		hosts, err := p.Hosts(ctx, app.Name)
		if err == nil {
			p.Certificates.Load(ctx, appliance.HostsOf(hosts)...)
			err = p.route(ctx, p.state(app.Name), app.Name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("route %s: %w", app.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Busy tells whether anything works on an app, or waits to.
func (p *Pipeline) Busy() bool {
	p.mu.Lock()
	states := slices.Collect(maps.Values(p.apps))
	p.mu.Unlock()
	return slices.ContainsFunc(states, func(s *state) bool { return s.runs.busy() || s.arrivals.busy() })
}
