package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// OverlapSetting says whether the old and the new processes of an app may run
// side by side: "on", "off", or what Overlaps finds out if it is "".
const OverlapSetting = "overlap"

// holding is how many of the requests may wait that come while the old
// processes end and the new ones start.
var holding = router.Bounds{Requests: 1000, Bytes: 32 << 20, Time: time.Minute}

// holdDrain is how long requests under way may take to end when others wait
// for that.
const holdDrain = 10 * time.Second

// makeWay ends what runs of a type before another generation of it starts, if
// the two may not overlap: two databases on the same files destroy them. From
// then on until the switch, requests wait, as what they need may be away.
func (r *run) makeWay(ctx context.Context, release appliance.Release, typ string, n int, old []appliance.Process) error {
	setting, err := r.Store.AppSetting(ctx, r.app, OverlapSetting)
	if err != nil {
		return err
	}
	mounts, err := r.withStorage(ctx, r.app, release.Services[typ].Mounts)
	if err != nil {
		return err
	}
	why := overlaps(setting, release, typ, n, mounts)
	ofType := slices.DeleteFunc(slices.Clone(old), func(p appliance.Process) bool { return p.Type != typ })
	if why == "" || len(ofType) == 0 {
		return nil
	}
	r.progress.Detail("%s %s: the one that runs ends before the next starts", typ, why)
	if err := r.park(ctx, old); err != nil {
		return err
	}
	r.state.missed.Store(true)
	return r.Engine.Stop(ctx, r.graceOf(ctx, r.app), ids(ofType)...)
}

// overlaps returns why processes of a type may not run beside those of the
// next generation, or "".
func overlaps(setting string, release appliance.Release, typ string, n int, mounts []appliance.Mount) string {
	wanted := release.AppJSON.Formation[typ].Overlap
	switch {
	case setting == "off":
		return "does not overlap (checks:disable)"
	case setting == "on" && typ == Web:
		return ""
	case wanted != nil && !*wanted:
		return "does not overlap (app.json)"
	case wanted != nil, !slices.ContainsFunc(mounts, func(m appliance.Mount) bool { return !m.ReadOnly }):
		return ""
	case typ == Web && n > 1:
		return "" // they share the volume as it is
	}
	return "keeps data in a volume"
}

// park has the requests that come from now on wait, if anything answers them
// now, and returns when those that are under way have ended.
func (r *run) park(ctx context.Context, old []appliance.Process) error {
	if r.switching.held || len(targets(old)) == 0 {
		return nil
	}
	r.switching.begin(r.Router, r.Service(r.app))
	r.switching.held = true
	r.progress.Detail("requests wait until the next one is up, for at most %s", holding.Time)
	served := r.Router.Hold(r.Service(r.app), holding)
	r.switching.cut += served.Drain(ctx, holdDrain).Cut
	return context.Cause(ctx)
}

// resume brings back what served before, if requests wait and no new
// generation has them.
func (r *run) resume(ctx context.Context) {
	if !r.switching.held || r.switching.done {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	defer r.Router.Release(r.Service(r.app))
	start := time.Now()
	version, err := r.restart(ctx)
	if err != nil {
		r.progress.Warn("v%d was ended, and does not serve again yet: %v", version, err)
		return
	}
	failed := r.Router.Stats(r.Service(r.app)).Failed - r.switching.before.Failed
	r.progress.Detail("v%d serves again after %s; %s failed meanwhile", version, seconds(time.Since(start)), count(int(failed), "request"))
}

// restart starts what is missing of the live generation, and returns when it
// is ready for traffic.
func (r *run) restart(ctx context.Context) (version int, err error) {
	app, err := r.Store.App(ctx, r.app)
	if err != nil {
		return 0, err
	}
	live, err := r.Engine.Processes(ctx, r.app)
	if err != nil {
		return app.LiveRelease, err
	}
	if _, err := r.complete(ctx, app, of(app.Live, live), nil); err != nil {
		return app.LiveRelease, err
	}
	release, err := r.Store.Release(ctx, r.app, app.LiveRelease)
	if err != nil {
		return app.LiveRelease, err
	}
	now, err := r.Engine.Processes(ctx, r.app)
	if err != nil {
		return app.LiveRelease, err
	}
	if err := r.healthy(ctx, release, of(app.Live, now)); err != nil {
		return app.LiveRelease, fmt.Errorf("start it again: %w", err)
	}
	return app.LiveRelease, r.route(ctx, r.state, r.app)
}
