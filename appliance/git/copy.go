package git

import (
	"context"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Copy gives an app, whose repository is empty, the branches and tags of
// another's, and the branch that a clone checks out.
func (r Repos) Copy(ctx context.Context, from, to appliance.AppName) error {
	head, err := r.output(ctx, r.Path(from), nil, "symbolic-ref", "--quiet", "HEAD")
	if err != nil {
		return err
	}
	local := []string{"GIT_ALLOW_PROTOCOL=file"} // both are ours
	if _, err := r.output(ctx, r.Path(to), local, "fetch", "--quiet", "--no-write-fetch-head", "--", r.Path(from), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return err
	}
	return r.SetHead(ctx, to, strings.TrimPrefix(strings.TrimSpace(string(head)), headsRef))
}
