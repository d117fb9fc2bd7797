package git

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// WriteGitDir makes a .git at dir, as a clone would have it that has the
// commit checked out: with its history, and nothing else of the app's
// repository.
func (r Repos) WriteGitDir(ctx context.Context, app appliance.AppName, commit, branch, quarantine, dir string) error {
	// A tree made by hand can have a .git of its own, with a configuration that
	// would have git run what it likes.
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if _, err := r.output(ctx, "", nil, "init", "--quiet", "--template=", "--bare", "--initial-branch="+branch, dir); err != nil {
		return err
	}
	pack := filepath.Join(dir, "objects", "pack", "incoming.pack")
	f, err := os.OpenFile(pack, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	var stderr bytes.Buffer
	cmd := r.command(ctx, r.objects(app, quarantine), "--git-dir", r.Path(app), "pack-objects", "--quiet", "--revs", "--stdout", "--delta-base-offset")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(commit+"\n"), f, &stderr
	if err := explain(cmd.Run(), &stderr); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"index-pack", pack},
		{"update-ref", headsRef + branch, commit},
		{"config", "core.bare", "false"},
		{"read-tree", commit},
	} {
		if _, err := r.output(ctx, dir, nil, args...); err != nil {
			return err
		}
	}
	return nil
}
