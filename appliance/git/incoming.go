package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// An Incoming is a place for commits that come in otherwise than by a push,
// until something has been deployed of them. The app's own repository knows
// nothing of them before Accept: as with a push that is refused, nothing stays.
type Incoming struct {
	repos Repos
	app   appliance.AppName
	dir   string // a bare repository that borrows the app's objects
}

// incomingRef is the commit that is to be deployed.
const incomingRef = "refs/berth/incoming"

// Incoming makes a place for commits of app. The caller removes it.
func (r Repos) Incoming(ctx context.Context, app appliance.AppName) (*Incoming, error) {
	dir, err := os.MkdirTemp(r.Dir, ".incoming-")
	if err != nil {
		return nil, err
	}
	in := &Incoming{r, app, dir}
	if err := r.init(ctx, dir); err != nil {
		return nil, errors.Join(err, in.Remove())
	}
	alternates := filepath.Join(r.Path(app), "objects") + "\n"
	if err := os.WriteFile(filepath.Join(in.Objects(), "info", "alternates"), []byte(alternates), 0o600); err != nil {
		return nil, errors.Join(err, in.Remove())
	}
	return in, nil
}

// Remove forgets what was not accepted.
func (in *Incoming) Remove() error { return os.RemoveAll(in.dir) }

// Objects is where the new objects are: what a push has as its quarantine.
func (in *Incoming) Objects() string { return filepath.Join(in.dir, "objects") }

// git runs git on what is incoming, and returns the first line it printed.
func (in *Incoming) git(ctx context.Context, env []string, args ...string) (string, error) {
	out, err := in.repos.output(ctx, in.dir, env, args...)
	line, _, _ := strings.Cut(string(out), "\n")
	return line, err
}

// A Fetched is what was fetched of another host.
type Fetched struct {
	Commit string
	Branch string // the branch that it is the head of; "" for a tag or a commit
}

var (
	refName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/@+-]{0,200}$`)
	shortID  = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
	headsRef = "refs/heads/"
)

// Fetch gets ref, a branch, a tag or a commit, from remote, with its history.
// If ref is "" it is the branch that the remote says is its own. It gives up
// when that has more than limit bytes.
func (in *Incoming) Fetch(ctx context.Context, remote Remote, ref string, access Access, limit int64) (Fetched, error) {
	if ref != "" && (!refName.MatchString(ref) || strings.Contains(ref, "..") || strings.Contains(ref, "@{")) {
		return Fetched{}, appliance.WithHint(fmt.Errorf("%w git-ref %.80q", appliance.ErrInvalid, ref), "give the name of a branch or a tag, or a commit")
	}
	source, branch, err := in.find(ctx, remote, ref, access)
	if err != nil {
		return Fetched{}, err
	}
	err = bounded(ctx, in.dir, limit, func(ctx context.Context) error {
		return in.fetch(ctx, remote, ref, source, access)
	})
	if err != nil {
		return Fetched{}, err
	}
	commit, err := in.git(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", incomingRef+"^{commit}")
	if err != nil {
		return Fetched{}, fmt.Errorf("%.80q of %s is not a commit: %w", ref, remote, err)
	}
	_, err = in.git(ctx, nil, "update-ref", incomingRef, commit) // of an annotated tag
	return Fetched{commit, branch}, err
}

// find asks the remote what ref is, and returns its full name there; "" for
// what may be a commit.
func (in *Incoming) find(ctx context.Context, remote Remote, ref string, access Access) (source, branch string, err error) {
	patterns := []string{"HEAD"}
	if ref != "" {
		name := strings.TrimPrefix(strings.TrimPrefix(ref, headsRef), "refs/tags/")
		patterns = []string{headsRef + name, "refs/tags/" + name}
		if name != ref {
			patterns = []string{ref}
		}
	}
	out, err := in.repos.far(ctx, "", remote, access, append([]string{"ls-remote", "--symref", "--", remote.url}, patterns...)...)
	if err != nil {
		return "", "", err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		value, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if head, ok := strings.CutPrefix(value, "ref: "); ok {
			branch = strings.TrimPrefix(head, headsRef)
			continue
		}
		found[name] = value
	}
	for _, name := range patterns { // a branch comes before a tag
		if found[name] == "" {
			continue
		}
		if b, ok := strings.CutPrefix(name, headsRef); ok {
			branch = b
		}
		if branch != "" && !refName.MatchString(branch) {
			return "", "", fmt.Errorf("%w branch name %.80q, which %s says is its own", appliance.ErrInvalid, branch, remote)
		}
		return name, branch, nil
	}
	switch {
	case ref == "":
		return "", "", appliance.WithHint(fmt.Errorf("%s has nothing committed", remote), "push something there first")
	case shortID.MatchString(ref):
		return "", "", nil
	}
	return "", "", appliance.WithHint(fmt.Errorf("%q of %s %w", ref, remote, appliance.ErrNotFound), "give the name of a branch or a tag there, or a commit")
}

// fetch gets source, or looks for the commit ref in all there is: a server may
// give out no single commits, and has only whole ones to give.
func (in *Incoming) fetch(ctx context.Context, remote Remote, ref, source string, access Access) error {
	fetch := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", remote.url}
	if source == "" && commitID.MatchString(ref) {
		_, err := in.repos.far(ctx, in.dir, remote, access, append(fetch, "+"+ref+":"+incomingRef)...)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	if source != "" {
		_, err := in.repos.far(ctx, in.dir, remote, access, append(fetch, "+"+source+":"+incomingRef)...)
		return err
	}
	if _, err := in.repos.far(ctx, in.dir, remote, access, append(fetch, "+refs/heads/*:refs/berth/heads/*", "+refs/tags/*:refs/berth/tags/*")...); err != nil {
		return err
	}
	commit, err := in.git(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return appliance.WithHint(fmt.Errorf("commit %s of %s %w", ref, remote, appliance.ErrNotFound), "give the name of a branch or a tag there, or a commit of one of them")
	}
	_, err = in.git(ctx, nil, "update-ref", incomingRef, commit)
	return err
}

// An Author is who a commit says has made it.
type Author struct{ Name, Email string }

// Commit makes a commit of what was imported, upon parent unless that is "".
// If that would change nothing it returns "". When all there is lies in one
// directory, as in most archives, the commit has what is in that.
func (in *Incoming) Commit(ctx context.Context, parent, message string, by Author) (string, error) {
	tree, err := in.git(ctx, nil, "rev-parse", "--verify", incomingRef+"^{tree}")
	if err != nil {
		return "", err
	}
	entries, err := in.repos.output(ctx, in.dir, nil, "ls-tree", "-z", tree)
	if err != nil {
		return "", err
	}
	if meta, _, _ := bytes.Cut(entries, []byte("\t")); bytes.Count(entries, []byte{0}) == 1 && bytes.Contains(meta, []byte(" tree ")) {
		tree = string(bytes.Fields(meta)[2])
	}
	args := []string{"commit-tree", "-m", message}
	if parent != "" {
		was, err := in.git(ctx, nil, "rev-parse", "--verify", parent+"^{tree}")
		if err != nil || was == tree {
			return "", err
		}
		args = append(args, "-p", parent)
	}
	return in.commitTree(ctx, by, append(args, tree))
}

// CommitAgain makes a commit that changes nothing, upon parent.
func (in *Incoming) CommitAgain(ctx context.Context, parent, message string, by Author) (string, error) {
	return in.commitTree(ctx, by, []string{"commit-tree", "-m", message, "-p", parent, parent + "^{tree}"})
}

func (in *Incoming) commitTree(ctx context.Context, by Author, args []string) (string, error) {
	env := []string{
		"GIT_AUTHOR_NAME=" + by.Name, "GIT_AUTHOR_EMAIL=" + by.Email,
		"GIT_COMMITTER_NAME=" + by.Name, "GIT_COMMITTER_EMAIL=" + by.Email,
	}
	commit, err := in.git(ctx, env, args...)
	if err != nil {
		return "", err
	}
	_, err = in.git(ctx, nil, "update-ref", incomingRef, commit)
	return commit, err
}

// Accept takes the commit into the app's repository and moves the branch to
// it, if it still is at previous; zeros are for a branch that there is not.
func (in *Incoming) Accept(ctx context.Context, branch, commit, previous string) error {
	held, err := in.repos.hold()
	if err != nil {
		return err
	}
	defer held.Close()
	repo := in.repos.Path(in.app)
	for _, args := range [][]string{
		{"-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
			"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", in.dir, incomingRef},
		{"-c", "core.hooksPath=/dev/null", "update-ref", headsRef + branch, commit, previous},
	} {
		var stderr bytes.Buffer
		// A path of ours, so the one protocol that is for nobody else.
		cmd := in.repos.command(ctx, []string{"GIT_ALLOW_PROTOCOL=file"}, append([]string{"--git-dir", repo}, args...)...)
		cmd.Stderr = &stderr
		cmd.ExtraFiles = append(cmd.ExtraFiles, held)
		if err := explain(cmd.Run(), &stderr); err != nil {
			return fmt.Errorf("move %s to %.7s: %w", branch, commit, err)
		}
	}
	return in.repos.SetHead(ctx, in.app, branch)
}

// Tidy removes what a killed daemon has left half made. Nothing may be under
// way.
func (r Repos) Tidy() error {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(r.Dir, e.Name())))
		}
	}
	return err
}
