package git

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// ownRefs are the refs of a repository that are ours. No client sees them, or
// can change them.
const ownRefs = "refs/berth"

// keptRefs are those that keep commits from being removed, each named after
// the commit that it keeps.
const keptRefs = ownRefs + "/releases/"

// KeepCommits has the app's repository keep these commits whatever becomes of
// its branches, and none of those that it was told to keep before. A commit
// that it does not have is left out.
func (r Repos) KeepCommits(ctx context.Context, app appliance.AppName, commits ...string) error {
	out, err := r.output(ctx, r.Path(app), nil, "for-each-ref", "--format=%(refname)", keptRefs)
	if err != nil {
		return err
	}
	var changes []string
	var kept []string
	for ref := range strings.Lines(string(out)) {
		commit := strings.TrimPrefix(strings.TrimSpace(ref), keptRefs)
		kept = append(kept, commit)
		if !slices.Contains(commits, commit) {
			changes = append(changes, "delete "+keptRefs+commit+"\n")
		}
	}
	for _, commit := range commits {
		if slices.Contains(kept, commit) {
			continue
		}
		has, err := r.Has(ctx, app, commit)
		if err != nil {
			return err
		}
		if kept = append(kept, commit); has {
			changes = append(changes, "update "+keptRefs+commit+" "+commit+"\n")
		}
	}
	if len(changes) == 0 {
		return nil
	}
	var stderr bytes.Buffer
	cmd := r.command(ctx, nil, "-c", "core.hooksPath=/dev/null", "--git-dir", r.Path(app), "update-ref", "--stdin")
	cmd.Stdin, cmd.Stderr = strings.NewReader(strings.Join(changes, "")), &stderr
	return explain(cmd.Run(), &stderr)
}

// Has tells whether the app's repository has a commit.
func (r Repos) Has(ctx context.Context, app appliance.AppName, commit string) (bool, error) {
	if !commitID.MatchString(commit) {
		return false, nil
	}
	_, err := r.output(ctx, r.Path(app), nil, "cat-file", "-e", commit+"^{commit}")
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return false, ctx.Err()
	}
	return err == nil, err
}

// File returns a file of a commit of the app's repository, which is no larger
// than limit; or ErrNotFound, also for one that is larger.
func (r Repos) File(ctx context.Context, app appliance.AppName, commit, name string, limit int64) ([]byte, error) {
	missing := fmt.Errorf("%s of %.7s %w", name, commit, appliance.ErrNotFound)
	if !commitID.MatchString(commit) {
		return nil, missing
	}
	what := commit + ":" + name
	size, err := r.output(ctx, r.Path(app), nil, "cat-file", "-s", what)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return nil, cmp.Or(ctx.Err(), missing)
	}
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(string(size)), 10, 64); err != nil || n > limit {
		return nil, missing
	}
	return r.output(ctx, r.Path(app), nil, "cat-file", "blob", what)
}
