package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/progress"
)

// A Sync is what git:sync is asked for.
type Sync struct {
	Remote  git.Remote
	Ref     string // a branch, a tag, a commit; "" for the deploy branch, or else the remote's own
	Build   bool   // deploy it
	Changed bool   // deploy it if it is not what the branch is at

	// KeepBranch is set if the first branch that is fetched does not become
	// the one that is deployed.
	KeepBranch bool
}

// Sync fetches a commit of another host's repository, moves the app's branch
// to it, and deploys it if asked to.
func (p *Pipeline) Sync(ctx context.Context, app appliance.AppName, s Sync, out io.Writer) error {
	access, err := p.Access(ctx, app)
	if err != nil {
		return err
	}
	named := s.Remote.String()
	if s.Ref != "" {
		named += "#" + s.Ref
	}
	return p.deliver(ctx, app, "git:sync "+named, out, func(d *delivery, in *git.Incoming) error {
		to := progress.New(out)
		if d.head == "" {
			to.Step("Cloning %s from %s", app, named)
		} else {
			to.Detail("Fetching remote code for %s from %s", app, named)
		}
		limit, err := p.limit(ctx, app, "push", p.Repos.Dir)
		if err != nil {
			return err
		}
		ref := cmp.Or(s.Ref, d.branch)
		fetched, err := in.Fetch(ctx, s.Remote, ref, access, limit.repository())
		if err != nil {
			return fmt.Errorf("fetch %s: %w", named, err)
		}
		branch, isNew := d.branch, false
		if d.head == "" && fetched.Branch != "" && !s.KeepBranch {
			isNew = fetched.Branch != branch && (branch != "" || fetched.Branch != "main" && fetched.Branch != "master")
			branch = fetched.Branch
		}
		branch = cmp.Or(branch, "main")
		switch {
		case s.Build, s.Changed && fetched.Commit != d.head:
			err = d.deploy(ctx, branch, fetched.Commit, in)
		case fetched.Commit == d.head:
			to.Detail("Skipping build as no changes were detected")
			return nil
		default:
			if err = d.keep(ctx, branch, fetched.Commit, in); err == nil {
				to.Detail("%s is at %.7s; --build deploys it", branch, fetched.Commit)
			}
		}
		if err != nil || !isNew {
			return err
		}
		to.Detail("Detected branch, setting deploy-branch to %s", branch)
		return p.Store.SetApp(context.WithoutCancel(ctx), app, DeployBranchSetting, branch)
	})
}
