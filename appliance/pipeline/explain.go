package pipeline

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/progress"
)

// A Plan is what a build would do.
type Plan struct {
	Branch  string
	Commit  string
	Builder string
	Reason  string   // why that builder
	Lines   []string // what the builder says of itself
	Fence   appliance.Fence
}

// ErrNothingPushed is for an app whose repository has nothing to build.
var ErrNothingPushed = fmt.Errorf("a commit to build %w", appliance.ErrNotFound)

// Explain says what a build of the commit that the deployed branch is at would
// do, and changes nothing, but that a stack is made that is missing. How that
// goes it prints to out.
func (p *Pipeline) Explain(ctx context.Context, app appliance.AppName, out io.Writer) (Plan, error) {
	return p.explain(ctx, app, Plan{}, out)
}

// DetectBuildpacks is Explain as if buildpacks were to build the app, of the
// commit that a branch is at, or the deployed one for "".
func (p *Pipeline) DetectBuildpacks(ctx context.Context, app appliance.AppName, branch string, out io.Writer) (Plan, error) {
	return p.explain(ctx, app, Plan{Branch: branch, Builder: builder.Buildpacks{}.Name()}, out)
}

// explain is Explain with the branch and the builder that the plan has already.
func (p *Pipeline) explain(ctx context.Context, app appliance.AppName, wanted Plan, out io.Writer) (plan Plan, err error) {
	r := &run{Pipeline: p, app: app, progress: progress.New(out)}
	plan = wanted
	if plan.Branch != "" {
		plan.Commit, err = p.Repos.Branch(ctx, app, plan.Branch)
	} else {
		plan.Branch, plan.Commit, err = p.Head(ctx, app)
	}
	if err != nil {
		return plan, err
	}
	if wanted.Branch != "" && plan.Commit == "" {
		return plan, fmt.Errorf("branch %s of %s %w", plan.Branch, app, appliance.ErrNotFound)
	}
	if plan.Commit == "" {
		return plan, appliance.WithHint(fmt.Errorf("%s: %w", app, ErrNothingPushed), "push it: git push berth main")
	}
	release, err := p.use(ctx, app, waitingAt(out, app))
	if err != nil {
		return plan, err
	}
	defer release()
	dir, err := os.MkdirTemp(p.Temp, "explain-"+string(app)+"-")
	if err != nil {
		return plan, err
	}
	source := &Source{Dir: dir, Commit: plan.Commit, release: release}
	defer source.Remove()
	if err := r.unpack(ctx, source, Push{App: app, Commit: plan.Commit, Branch: plan.Branch}); err != nil {
		return plan, err
	}
	return plan, r.explainSource(ctx, source, &plan)
}

func (r *run) explainSource(ctx context.Context, source *Source, plan *Plan) error {
	settings, err := r.buildSettings(ctx)
	if err != nil {
		return err
	}
	if plan.Builder != "" {
		settings.Selected = plan.Builder
	}
	root, dir, err := builder.Enter(r.app, source.Dir, settings.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := r.placeProcfile(ctx, root); err != nil {
		return err
	}
	appJSON := appliance.AppJSON{}
	if name, err := r.appJSONIn(ctx, root.FS()); err != nil {
		return err
	} else if name != "" {
		if appJSON, err = builder.ReadAppJSON(root.FS(), name); err != nil {
			return err
		}
	}
	b, reason, err := builder.For(root.FS(), settings, r.Builders...)
	if err != nil {
		return err
	}
	plan.Builder, plan.Reason = b.Name(), reason
	env, err := r.Config(ctx, r.app)
	if err != nil {
		return err
	}
	if plan.Fence, err = r.Fence(ctx, r.app); err != nil {
		return err
	}
	stack, err := r.stackFor(ctx, b, appJSON.Stack)
	if err != nil {
		return err
	}
	plan.Lines, err = b.Explain(ctx, r.Engine, builder.Request{
		App: r.app, Source: dir, Commit: source.Commit, Env: env, Stack: stack, Settings: settings, AppJSON: appJSON, Fence: plan.Fence,
		Out: io.Discard, Step: func(string, ...any) {},
	})
	return err
}
