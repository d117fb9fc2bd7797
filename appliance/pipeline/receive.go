package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

// A Source is a pushed commit, unpacked.
type Source struct {
	Dir     string
	Commit  string
	files   int
	release func() // lets the repository be packed
}

// Remove deletes the unpacked files.
func (s *Source) Remove() {
	os.RemoveAll(s.Dir)
	s.release()
}

// maxSubmodules bounds how many repositories one push makes us fetch.
const maxSubmodules = 100

// unmoved checks that the branch still is where git saw it. If another push
// went first, git would refuse this one after it had been deployed.
func (r *run) unmoved(ctx context.Context, push Push) error {
	if push.Previous == "" {
		return nil
	}
	now, err := r.Repos.Branch(ctx, push.App, push.Branch)
	if err != nil || now == strings.Trim(push.Previous, "0") || now == push.Previous {
		return err
	}
	return appliance.WithHint(fmt.Errorf("%s has moved to %.7s while this push waited", push.Branch, now),
		"see what came in between (git pull), then push again")
}

func (r *run) receive(ctx context.Context, push Push) (source *Source, err error) {
	err = r.stage(ctx, appliance.StageReceive, func() (err error) {
		release, err := r.use(ctx, push.App, waitingAt(r.progress, push.App))
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp(r.Temp, "source-"+string(push.App)+"-")
		if err != nil {
			release()
			return err
		}
		source = &Source{Dir: dir, Commit: push.Commit, release: release}
		defer func() {
			if err != nil {
				source.Remove()
			}
		}()

		r.progress.Step("Receiving %s (%.7s on %s)", push.App, push.Commit, push.Branch)
		if err := r.unpack(ctx, source, push); err != nil {
			return err
		}
		if source.files == 0 {
			return appliance.WithHint(fmt.Errorf("commit %.7s has no files", push.Commit),
				"add your app's files: git add . && git commit, then push again")
		}
		return nil
	})
	return source, err
}

// unpack writes the commit's files, and those of its submodules, to the
// source's directory.
func (r *run) unpack(ctx context.Context, source *Source, push Push) error {
	limit, err := r.limit(ctx, push.App, "push", source.Dir)
	if err != nil {
		return err
	}
	access, err := r.Access(ctx, push.App)
	if err != nil {
		return err
	}
	err = extract(source, "", limit, func(w io.Writer) error {
		return r.Repos.Archive(ctx, push.App, push.Commit, push.Quarantine, w)
	})
	if err != nil {
		return fmt.Errorf("unpack %.7s: %w", push.Commit, err)
	}
	modules, err := r.Repos.Submodules(ctx, push.App, push.Commit, push.Quarantine)
	if err != nil {
		return err
	}
	for n := 0; len(modules) > 0; n++ {
		if n == maxSubmodules {
			return fmt.Errorf("more than %d submodules", maxSubmodules)
		}
		module := modules[0]
		r.progress.Detail("submodule %s at %.7s", module.Path, module.Commit)
		var inner []git.Submodule
		err := extract(source, module.Path, limit, func(w io.Writer) (err error) {
			inner, err = r.Repos.ArchiveSubmodule(ctx, module, access, limit.repository(), w)
			return err
		})
		if err != nil {
			return err
		}
		for _, m := range inner {
			m.Path = filepath.Join(module.Path, m.Path)
			modules = append(modules, m)
		}
		modules = modules[1:]
	}
	return r.keepGitDir(ctx, source, push)
}

// keepGitDir gives the source its history, if the app was told to have it.
func (r *run) keepGitDir(ctx context.Context, source *Source, push Push) error {
	keep, err := r.Property(ctx, push.App, KeepGitDirSetting)
	if err != nil || keep != "true" {
		return err
	}
	if err := r.Repos.WriteGitDir(ctx, push.App, push.Commit, push.Branch, push.Quarantine, filepath.Join(source.Dir, ".git")); err != nil {
		return fmt.Errorf("keep .git: %w", err)
	}
	return nil
}

// extract unpacks at path, within the source, what archive writes.
func extract(source *Source, path string, limit *limit, archive func(io.Writer) error) error {
	pr, pw := io.Pipe()
	archived := make(chan error, 1)
	go func() {
		err := archive(pw)
		pw.CloseWithError(err)
		archived <- err
	}()
	n, err := untar(source.Dir, path, limit, pr)
	source.files += n
	pr.CloseWithError(err) // nobody reads any more
	// If unpacking stopped, git says only that nobody reads what it writes. If
	// git stopped, unpacking stopped for the same reason.
	return cmp.Or(err, <-archived)
}
