package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/drains"
	"github.com/berthhq/berth/appliance/git"
)

// drainsSetting has the drains of an app.
const drainsSetting = "logs-drains"

// maxDrains is how many drains an app may have.
const maxDrains = 10

// DialDrain returns how drains connect: only an admin's may reach this machine
// and the private networks around it.
func DialDrain(anywhere bool) drains.Dial { return git.Access{Anywhere: anywhere}.Dial }

// ListDrains returns where the lines of an app go.
func (p *Pipeline) ListDrains(ctx context.Context, app appliance.AppName) ([]drains.Spec, error) {
	return Kept[[]drains.Spec](ctx, p, app, drainsSetting)
}

// probeTime is how long a new drain may take to be reached.
const probeTime = 5 * time.Second

// AddDrain has the lines of an app go somewhere. It returns why that cannot be
// reached now, which may be temporary, as trouble.
func (p *Pipeline) AddDrain(ctx context.Context, app appliance.AppName, spec drains.Spec) (added drains.Spec, trouble, err error) {
	if err := spec.Check(); err != nil {
		return spec, nil, err
	}
	spec.Anywhere = appliance.ActorFrom(ctx).Admin
	spec.ID = strings.ToLower(rand.Text()[:8])
	list, err := p.ListDrains(ctx, app)
	if err != nil {
		return spec, nil, err
	}
	if slices.ContainsFunc(list, func(s drains.Spec) bool { return s.URL == spec.URL }) {
		return spec, nil, fmt.Errorf("drain %s %w", spec.Masked(), appliance.ErrExists)
	}
	if len(list) >= maxDrains {
		return spec, nil, appliance.WithHint(fmt.Errorf("%w: an app has at most %d drains", appliance.ErrInvalid, maxDrains), "logs:drains "+string(app)+" lists them")
	}
	trouble = p.probe(ctx, spec)
	if reach, ok := errors.AsType[*git.ReachError](trouble); ok {
		return spec, nil, appliance.WithHint(fmt.Errorf("%w drain %s: %w", appliance.ErrInvalid, spec.Masked(), reach), "an admin can add it")
	}
	if err := p.Keep(ctx, app, drainsSetting, append(list, spec)); err != nil {
		return spec, nil, err
	}
	return spec, trouble, p.ApplyDrains(ctx)
}

// probe connects to where a drain leads.
func (p *Pipeline) probe(ctx context.Context, spec drains.Spec) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	network, addr := spec.Addr()
	conn, err := DialDrain(spec.Anywhere)(ctx, network, addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// RemoveDrain ends a drain, which is named by its ID or its address.
func (p *Pipeline) RemoveDrain(ctx context.Context, app appliance.AppName, name string) (removed drains.Spec, err error) {
	list, err := p.ListDrains(ctx, app)
	if err != nil {
		return removed, err
	}
	i := slices.IndexFunc(list, func(s drains.Spec) bool { return s.ID == name || s.URL == name || s.Masked() == name })
	if i < 0 {
		return removed, appliance.WithHint(fmt.Errorf("such a drain of %s %w", app, appliance.ErrNotFound), "logs:drains "+string(app)+" lists them")
	}
	removed = list[i]
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		err = p.Store.SetApp(ctx, app, drainsSetting, "")
	} else {
		err = p.Keep(ctx, app, drainsSetting, list)
	}
	if err != nil {
		return removed, err
	}
	return removed, p.ApplyDrains(ctx)
}

// ApplyDrains has lines go where settings say.
func (p *Pipeline) ApplyDrains(ctx context.Context) error {
	if p.Drains == nil {
		return nil
	}
	values, err := p.Store.AppSettings(ctx, drainsSetting)
	if err != nil {
		return err
	}
	apps := map[appliance.AppName]drains.App{}
	for app, text := range values {
		var list []drains.Spec
		if json.Unmarshal([]byte(text), &list) != nil {
			return fmt.Errorf("setting %s of %s is damaged", drainsSetting, app) // the error could quote a secret
		}
		apps[p.handle(app)] = drains.App{Name: string(app), Specs: list, Names: p.Names(app).Of}
	}
	p.Drains.Set(apps)
	return nil
}

// DrainStatus tells how the drains of an app get on, by their IDs.
func (p *Pipeline) DrainStatus(app appliance.AppName) map[string]drains.Status {
	return p.Drains.Status(p.handle(app))
}
