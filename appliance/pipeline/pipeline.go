// Package pipeline takes an app from pushed source to running processes:
// receive, cleanup, build, release, deploy. Each stage has its own file.
package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/drains"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/logs"
	"github.com/berthhq/berth/appliance/progress"
	"github.com/berthhq/berth/db"
	"github.com/berthhq/berth/router"
	certs "github.com/berthhq/berth/tls"
)

// A Pipeline has everything that the stages need. Its exported fields are set
// once, before its first use.
type Pipeline struct {
	Store        *db.Store
	Repos        git.Repos
	Builders     []builder.Builder
	Stack        builder.Stack // what buildpacks build on, but for what settings say
	Engine       appliance.Engine
	Logs         *logs.Archive
	Drains       *drains.Set // where lines of logs go too; nil for nowhere
	Router       *router.Router
	Certificates *certs.Manager
	Preflight    certs.Preflight // what is known of this machine for checks before orders
	Addresses    Addresses
	Instance     string       // what the names of its images begin with
	Temp         string       // a directory for what is being worked on
	Storage      string       // a directory of directories that apps can mount; beside what is ours alone
	API          http.Handler // what answers commands over HTTPS, where that is wanted
	Log          *slog.Logger
	Level        *slog.LevelVar // of what Log keeps, for Trace to set; nil if it is not to be changed

	builds line // the builds of the whole machine

	mu   sync.Mutex // guards the fields below
	apps map[appliance.AppName]*state

	behind background // restores, generations that finish their last requests, pushes that git finishes

	sampling sampling // of what the apps take

	attention attention // for the readiness of what runs

	mind mind       // for what runs detached
	cron sync.Mutex // held while somebody looks which jobs are due

	started   time.Time
	leftovers []appliance.AppName // of interrupted pushes; set before the first use

	doors sync.Mutex // held while settings about the door change

	pinning sync.Mutex // held while images are pinned

	repositories repositories // those that are used, or packed

	sweeping sync.Mutex // guards swept, and lets one sweep at a time
	swept    bool
}

// A Push is what a git push brings.
type Push struct {
	App        appliance.AppName
	Commit     string
	Branch     string
	Previous   string // the commit that the branch was at when git looked; zeros if there was no branch
	Quarantine string // where git keeps the commit's objects until we accept it
	Source     string // what brings it: "git push" if ""

	// Settled, if set, is closed when git is done with the push. Until then it
	// may not have moved the branch, so nobody else's turn comes before.
	Settled <-chan struct{}

	// Prepared, if set, is what Prepare has made for the push.
	Prepared *Preparation
}

// Receive takes a push all the way. What it prints to out is what the person
// who pushes sees; when it fails, git refuses the push.
func (p *Pipeline) Receive(ctx context.Context, push Push, out io.Writer) error {
	if err := p.unlocked(ctx, push.App); err != nil {
		return err
	}
	record := appliance.Build{
		App: push.App, Kind: appliance.KindBuild, Source: cmp.Or(push.Source, "git push"), Commit: push.Commit, Branch: push.Branch,
	}
	return p.recorded(ctx, record, "deploy", out, func(ctx context.Context, r *run) error {
		r.settled, r.prepared = push.Settled, push.Prepared
		if err := r.unmoved(ctx, push); err != nil {
			return err
		}
		return r.ship(ctx, push, cmp.Or(push.Source, fmt.Sprintf("push %.7s", push.Commit)))
	})
}

// ship takes a commit all the way.
func (r *run) ship(ctx context.Context, push Push, reason string) error {
	source, err := r.receive(ctx, push)
	if err != nil {
		return err
	}
	defer source.Remove()

	if err := r.cleanup(ctx); err != nil {
		return err
	}
	built, err := r.build(ctx, source)
	if err != nil {
		return err
	}
	release, err := r.release(ctx, built.release(appliance.Release{Commit: push.Commit, Reason: reason}))
	if err != nil {
		return err
	}
	if release, err = r.publish(ctx, release); err != nil {
		return err
	}
	if err := r.deploy(ctx, release); err != nil {
		return err
	}
	r.layer, r.unlayered = built.layer, !built.Inherits
	return nil
}

// Reconfigure makes a release of the live one with the environment as it is
// now, and deploys it. It is what config:set ends with. An app that has not
// been deployed yet has nothing to change, and one that is stopped stays so.
func (p *Pipeline) Reconfigure(ctx context.Context, app appliance.AppName, reason string, out io.Writer) error {
	if stopped, err := p.Stopped(ctx, app); err != nil || stopped {
		if stopped {
			progress.New(out).Detail("%s is stopped: ps:start %s starts it with that", app, app)
		}
		return err
	}
	return p.again(ctx, app, reason, out, func(ctx context.Context, r *run, live appliance.Release) error {
		live.Reason = reason
		release, err := r.release(ctx, live)
		if err != nil {
			return err
		}
		return r.deploy(ctx, release)
	})
}

// Restart deploys the live release again. An app that has not been deployed yet
// has nothing to restart, and one that is stopped stays so. If the environment
// was changed without a restart, it is in effect from now on, and that is a
// release of its own.
func (p *Pipeline) Restart(ctx context.Context, app appliance.AppName, out io.Writer) error {
	if stopped, err := p.Stopped(ctx, app); err != nil || stopped {
		if stopped {
			err = appliance.WithHint(fmt.Errorf("%s is stopped", app), fmt.Sprintf("ps:start %s starts it", app))
		}
		return err
	}
	return p.relive(ctx, app, "restart", out)
}

func (p *Pipeline) relive(ctx context.Context, app appliance.AppName, what string, out io.Writer) error {
	return p.again(ctx, app, what, out, func(ctx context.Context, r *run, live appliance.Release) error {
		env, err := p.environment(ctx, app, live.Commit)
		if err != nil {
			return err
		}
		if !maps.Equal(env, live.Env) {
			live.Reason = what + " with changed config"
			if live, err = r.release(ctx, live); err != nil {
				return err
			}
		}
		r.made.Release = live.Version
		return r.deploy(ctx, live)
	})
}

// again does something with an app's live release, if it has one.
func (p *Pipeline) again(ctx context.Context, name appliance.AppName, source string, out io.Writer, fn func(context.Context, *run, appliance.Release) error) error {
	redo := func(ctx context.Context, r *run) error {
		app, err := p.Store.App(ctx, name)
		if err != nil || app.LiveRelease == 0 {
			return err
		}
		live, err := p.Store.Release(ctx, name, app.LiveRelease)
		if err != nil {
			return err
		}
		r.made.Image, r.made.Builder, r.made.Commit = live.Image, live.Builder, live.Commit
		return fn(ctx, r, live)
	}
	app, err := p.Store.App(ctx, name)
	if err != nil {
		return err
	}
	if app.LiveRelease == 0 { // unless a push goes before, nothing comes of it
		return p.run(ctx, name, "restart", out, func(r *run) error { return redo(ctx, r) })
	}
	return p.recorded(ctx, appliance.Build{App: name, Kind: appliance.KindDeploy, Source: source}, "restart", out, redo)
}

// A run is one trip through some of the stages, for one app.
type run struct {
	*Pipeline
	app      appliance.AppName
	state    *state
	progress *progress.Writer
	start    time.Time
	took     []timing
	settled  <-chan struct{} // see Push
	prepared *Preparation    // see Push

	switching  switching
	afterwards []script // to run when the new release serves
	layer      *layer   // to make when the new release serves and nobody waits for it
	unlayered  bool     // the release that serves was built without the layer that there may be

	made *appliance.Build // what came of it so far, for its record

	rollback *rollback // what it goes back to, if it does
	live     bool      // a release of it went live
}

// run lets fn work on app while nothing else does. Who comes second waits, and
// reads on out for what.
func (p *Pipeline) run(ctx context.Context, app appliance.AppName, what string, out io.Writer, fn func(*run) error) error {
	r := &run{Pipeline: p, app: app, state: p.state(app), progress: progress.New(out), made: new(appliance.Build)}
	came := time.Now()
	leave, err := r.state.runs.enter(ctx, turn{
		who: appliance.ActorFrom(ctx).Name, what: fmt.Sprintf("%s of %s", what, app),
	}, r.waiting)
	if err != nil {
		return err
	}
	defer func() {
		if r.settled == nil {
			r.end(ctx)
			leave()
			return
		}
		p.behind.Go(func() {
			<-r.settled
			r.end(ctx)
			r.keepLayer(context.WithoutCancel(ctx))
			leave()
		})
	}()
	if p.state(app) != r.state {
		return appliance.WithHint(fmt.Errorf("%w: an app was renamed from or to %s meanwhile", appliance.ErrBusy, app), "see which there are (apps:list), and try again")
	}
	r.start = time.Now()
	p.Log.DebugContext(ctx, "turn", "app", app, "what", what, "actor", appliance.ActorFrom(ctx).Name, "waited", r.start.Sub(came))
	return fn(r)
}

// waiting tells the person what they wait for.
func (r *run) waiting(now turn, ahead int) {
	place := "yours is next"
	if ahead > 0 {
		place = fmt.Sprintf("%d more before yours", ahead)
	}
	r.progress.Step("Waiting: another %s runs, started %s ago by %s; %s", now.what, seconds(time.Since(now.since)), now.who, place)
}

// elapsed is how long the run has taken until now.
func (r *run) elapsed() string { return seconds(time.Since(r.start)) }

// seconds prints a duration as people read it: 0.4s, 12.3s, 2m5s.
func seconds(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}
