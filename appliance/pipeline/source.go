package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/progress"
)

// Source that comes otherwise than by a push becomes a commit that the app's
// repository does not have yet. From there on it goes the way of a push: if it
// is deployed the branch moves to it, and if not nothing stays.

// A delivery is source that comes otherwise than by a push.
type delivery struct {
	*Pipeline
	app    appliance.AppName
	source string // "git:from-image nginx:1"
	out    io.Writer

	branch string // the app's, that will move; "" if it has none yet
	head   string // where that is; "" if there is nothing
	force  bool   // deploy it also if it is what the branch has
}

// deliver lets bring work on what comes in for app, one at a time: each may
// fill the disk to its limit.
func (p *Pipeline) deliver(ctx context.Context, app appliance.AppName, source string, out io.Writer, bring func(*delivery, *git.Incoming) error) error {
	r := &run{Pipeline: p, app: app, state: p.state(app), progress: progress.New(out)}
	leave, err := r.state.arrivals.enter(ctx, turn{who: appliance.ActorFrom(ctx).Name, what: fmt.Sprintf("%s of %s", source, app)}, r.waiting)
	if err != nil {
		return err
	}
	defer leave()
	release, err := p.use(ctx, app, waitingAt(out, app))
	if err != nil {
		return err
	}
	handle := p.handle(app)
	defer func() {
		release()
		p.untidy(handle, app)
	}()
	if err := p.Repos.Create(ctx, app); err != nil { // in case it was lost
		return err
	}
	in, err := p.Repos.Incoming(ctx, app)
	if err != nil {
		return err
	}
	defer in.Remove() // what of it was accepted has been copied
	d := &delivery{Pipeline: p, app: app, source: source, out: out}
	if d.branch, d.head, err = p.Head(ctx, app); err != nil {
		return err
	}
	return bring(d, in)
}

// Head returns the branch that is deployed, and the commit it is at. Before
// either is known, they are "".
func (p *Pipeline) Head(ctx context.Context, app appliance.AppName) (branch, commit string, err error) {
	if branch, err = p.Property(ctx, app, DeployBranchSetting); err != nil {
		return "", "", err
	}
	if branch == "" {
		if branch, err = p.Repos.Head(ctx, app); err != nil || branch == "" {
			return "", "", err
		}
	}
	commit, err = p.Repos.Branch(ctx, app, branch)
	return branch, commit, err
}

// push is what a push of the commit to the branch would be.
func (d *delivery) push(ctx context.Context, branch, commit string, in *git.Incoming) (push Push, err error) {
	previous := d.head
	if branch != d.branch {
		if previous, err = d.Repos.Branch(ctx, d.app, branch); err != nil {
			return push, err
		}
	}
	return Push{
		App: d.app, Commit: commit, Branch: branch, Previous: cmp.Or(previous, strings.Repeat("0", len(commit))),
		Quarantine: in.Objects(), Source: d.source,
	}, nil
}

// deploy takes a commit all the way, and then moves the branch to it.
func (d *delivery) deploy(ctx context.Context, branch, commit string, in *git.Incoming) error {
	settled := make(chan struct{})
	defer close(settled)
	push, err := d.push(ctx, branch, commit, in)
	if err != nil {
		return err
	}
	push.Settled = settled
	if err := d.Receive(ctx, push, d.out); err != nil {
		return err
	}
	// It runs, so it stands, also when the person has hung up.
	return in.Accept(context.WithoutCancel(ctx), branch, commit, push.Previous)
}

// keep moves the branch to a commit without deploying it.
func (d *delivery) keep(ctx context.Context, branch, commit string, in *git.Incoming) error {
	push, err := d.push(ctx, branch, commit, in)
	if err != nil {
		return err
	}
	return d.run(ctx, d.app, d.source, d.out, func(r *run) error {
		if err := r.unmoved(ctx, push); err != nil {
			return err
		}
		return in.Accept(ctx, branch, commit, push.Previous)
	})
}

// commit makes a commit of what fill puts into a tree, and deploys it.
func (d *delivery) commit(ctx context.Context, in *git.Incoming, by git.Author, fill func(*git.Tree) error) error {
	to := progress.New(d.out)
	if err := in.Import(ctx, fill); err != nil {
		return err
	}
	to.Step("Updating git repository with specified build context")
	commit, err := in.Commit(ctx, d.head, d.source, by)
	if err != nil {
		return err
	}
	if commit == "" && d.force {
		if commit, err = in.CommitAgain(ctx, d.head, d.source, by); err != nil {
			return err
		}
	}
	if commit == "" {
		to.Warn("No changes detected, skipping git commit")
		to.Warn("Call 'ps:restart %s' to start anew what is deployed", d.app)
		return nil
	}
	return d.deploy(ctx, cmp.Or(d.branch, "main"), commit, in)
}
