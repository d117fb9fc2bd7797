package pipeline

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// Scale sets how many of some process types run. It starts only what is
// missing and ends only what is too much: all else serves on, and nothing has
// changed when what was started does not come up. Of an app that has not been
// deployed or is stopped it sets just the numbers.
func (p *Pipeline) Scale(ctx context.Context, name appliance.AppName, change appliance.Formation, out io.Writer) error {
	return p.run(ctx, name, "scaling", out, func(r *run) error {
		app, err := p.Store.App(ctx, name)
		if err != nil {
			return err
		}
		stopped, err := p.Stopped(ctx, name)
		if err != nil {
			return err
		}
		record := func(ctx context.Context) error {
			return errors.Join(p.Store.Scale(ctx, name, change), p.Store.SetApp(ctx, name, NextScaleSetting, ""))
		}
		if app.LiveRelease == 0 || stopped {
			return record(ctx)
		}
		if err := r.state.work.acquire(ctx); err != nil {
			return err
		}
		defer r.endWork(ctx, r.state, name)
		release, err := p.Store.Release(ctx, name, app.LiveRelease)
		if err != nil {
			return err
		}
		_, scaled, err := p.Wanted(ctx, name)
		if err != nil {
			return err
		}
		maps.Copy(scaled, change)
		change = scaled
		processes, err := p.Engine.Processes(ctx, name)
		if err != nil {
			return err
		}
		formation, live := Formation(release, scaled), r.state.serving(of(app.Live, processes))
		x := exchange{release: release, live: app.Live, come: missing(formation, live), leave: r.state.surplus(formation, live)}
		if err := r.exchange(ctx, x, record); err != nil {
			return err
		}
		now := slices.DeleteFunc(live, func(q appliance.Process) bool { return q.Index > formation[q.Type] })
		for _, place := range x.come {
			now = append(now, appliance.Process{Type: place.typ, Index: place.index})
		}
		r.warnOfSilence(release, now)
		return nil
	})
}

// NextScaleSetting is how people want an app to be scaled from its next deploy
// on.
const NextScaleSetting = "next-scale"

// ScaleNext sets how many of some process types run after the next deploy.
func (p *Pipeline) ScaleNext(ctx context.Context, name appliance.AppName, change appliance.Formation) error {
	next, err := Kept[appliance.Formation](ctx, p, name, NextScaleSetting)
	if err != nil {
		return err
	}
	if next == nil {
		next = appliance.Formation{}
	}
	maps.Copy(next, change)
	return p.Keep(ctx, name, NextScaleSetting, next)
}

// Wanted returns how people want an app to be scaled: now, and from the next
// deploy on.
func (p *Pipeline) Wanted(ctx context.Context, name appliance.AppName) (now, next appliance.Formation, err error) {
	if now, err = p.Store.Formation(ctx, name); err != nil {
		return nil, nil, err
	}
	change, err := Kept[appliance.Formation](ctx, p, name, NextScaleSetting)
	next = maps.Clone(now)
	maps.Copy(next, change)
	return now, next, err
}

// missing returns the places of the formation that nobody has.
func missing(formation appliance.Formation, live []appliance.Process) (list []place) {
	for _, typ := range slices.Sorted(maps.Keys(formation)) {
		for i := 1; i <= formation[typ]; i++ {
			if !slices.ContainsFunc(live, func(q appliance.Process) bool { return q.Type == typ && q.Index == i }) {
				list = append(list, place{typ, i})
			}
		}
	}
	return list
}
