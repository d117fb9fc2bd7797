package pipeline

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// A built is what a build made, and by what.
type built struct {
	builder.Result
	builder string
	appJSON appliance.AppJSON
	layer   *layer // that could be made of what the build has kept; nil for none
}

// release puts what was built into a release.
func (b built) release(r appliance.Release) appliance.Release {
	r.Image, r.Builder, r.Stack, r.Procfile = b.Image, b.builder, b.Stack, b.Procfile
	r.Port, r.Services, r.AppJSON = b.Port, b.Services, b.appJSON
	return r
}

func (r *run) build(ctx context.Context, source *Source) (made built, err error) {
	err = r.stage(ctx, appliance.StageBuild, func() error {
		leave, err := r.builds.enter(ctx, turn{
			who: appliance.ActorFrom(ctx).Name, what: "build of " + string(r.app),
		}, func(now turn, ahead int) {
			r.prepared.Discard() // nothing waits beside a build that runs
			r.waiting(now, ahead)
		})
		if err != nil {
			return err
		}
		defer leave()

		limits, err := r.fenced(ctx)
		if err != nil {
			return err
		}
		settings, err := r.buildSettings(ctx)
		if err != nil {
			return err
		}
		root, dir, err := builder.Enter(r.app, source.Dir, settings.Dir)
		if err != nil {
			return err
		}
		defer root.Close()
		if err := r.placeProcfile(ctx, root); err != nil {
			return err
		}
		appJSON, err := r.readAppJSON(ctx, root.FS())
		if err != nil {
			return err
		}
		b, reason, err := builder.For(root.FS(), settings, r.Builders...)
		if err != nil {
			return err
		}
		env, err := r.config(ctx)
		if err != nil {
			return err
		}
		stack, err := r.stackFor(ctx, b, appJSON.Stack)
		if err != nil {
			return err
		}
		fresh, err := r.beginFresh(ctx)
		if err != nil {
			return err
		}
		previous, err := r.liveImage(ctx)
		if err != nil {
			return err
		}
		if fresh {
			previous = ""
		}
		dependencies := builder.DependenciesSum(root.FS())
		kept, err := r.keptLayer(ctx, stack, dependencies)
		if err != nil {
			return err
		}
		logins, err := r.RegistryLogins(ctx, r.app)
		if err != nil {
			return err
		}
		shared, err := r.RegistryLogins(ctx, "")
		if err != nil {
			return err
		}
		r.made.Builder = b.Name()
		r.progress.Step("Building %s with %s (%s) ...", r.app, b.Name(), reason)
		start := time.Now()
		var prepared string
		prepared, limits.Fence = r.prepared.take(stack, kept, limits.Fence)
		result, err := b.Build(ctx, r.Engine, builder.Request{
			App: r.app, Tag: r.tag(source.Commit), Source: dir, Commit: source.Commit, Previous: previous,
			Env: env, Stack: stack, Kept: kept, Fresh: fresh, Prepared: prepared, Settings: settings, AppJSON: appJSON, Fence: limits.Fence, Logins: logins, SharedLogins: shared, Out: r.progress, Step: r.progress.Step,
		})
		if err != nil {
			return limits.raise(ctx, err)
		}
		r.made.Image = result.Image
		r.progress.Detail("Built in %s", seconds(time.Since(start)))
		made = built{Result: result, builder: b.Name(), appJSON: appJSON}
		if result.Keeps != "" {
			made.layer = &layer{Stack: result.Stack, Dependencies: dependencies, keeps: result.Keeps, fence: limits.Fence}
		}
		if fresh {
			if err := r.Store.SetApp(ctx, r.app, freshSetting, ""); err != nil {
				return err
			}
		}
		return r.setDefaults(ctx, result.Config, result.Secrets)
	})
	return made, err
}

// tag names an image after what it was built from. The rest of the name nobody
// can guess: a Dockerfile of another app that could say FROM with it would have
// all that this app is made of.
func (r *run) tag(commit string) appliance.Image {
	return appliance.Image(fmt.Sprintf("%s/%s:%.12s-%s", r.Instance, r.Service(r.app), commit, strings.ToLower(rand.Text())))
}

// liveImage returns the image of the release that is live, or "" if none is.
func (r *run) liveImage(ctx context.Context) (appliance.Image, error) {
	app, err := r.Store.App(ctx, r.app)
	if err != nil || app.LiveRelease == 0 {
		return "", err
	}
	live, err := r.Store.Release(ctx, r.app, app.LiveRelease)
	return live.Image, err
}
