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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/berthhq/berth/appliance"
)

// collectLock is a file of a repository that nobody but "git gc" and what that
// starts has open. So it tells who is left of one whose daemon was killed.
const collectLock = "berth-gc"

// endTime is how long the end of what was killed may take.
const endTime = 10 * time.Second

// collecting is what "git gc" is told: not to go on behind our back, and not
// to take the machine from the apps.
var collecting = []string{
	"-c", "gc.autoDetach=false", "-c", "core.hooksPath=/dev/null",
	"-c", "pack.threads=1", "-c", "pack.windowMemory=128m",
}

// Collect packs what the app's repository has, and drops what nothing has
// referred to for two weeks. If it is to be thorough it takes its time; if not,
// git says whether there is anything to do. Nobody else may be at work in the
// repository. When ctx is done it is ended, and takes back what it has begun.
func (r Repos) Collect(ctx context.Context, app appliance.AppName, thorough bool) error {
	if err := r.TakeBack(ctx, app); err != nil {
		return err
	}
	lock, err := openLock(r.Path(app), os.O_CREATE)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	how := "--auto"
	if thorough {
		how = "--aggressive"
	}
	var stderr bytes.Buffer
	cmd := r.command(ctx, nil, append(collecting, "--git-dir", r.Path(app), "gc", "--quiet", how)...)
	cmd.Stderr = &stderr
	cmd.ExtraFiles = []*os.File{lock}
	if err := cmd.Start(); err != nil {
		return err
	}
	// The apps come first. What it starts from here on is as patient.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, 15) // it works without, too
	err = explain(cmd.Wait(), &stderr)
	lock.Close() // only what is left of it has the lock now
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	return errors.Join(err, r.TakeBack(ctx, app))
}

// Size returns how many bytes the app's repository has.
func (r Repos) Size(app appliance.AppName) int64 { return used(r.Path(app)) }

// TakeBack ends what is left of a "git gc" of the app's repository, and removes
// what a git that was killed has left there: locks, which would have git refuse
// the next push, and files that were never finished. Nobody may be at work in
// the repository.
func (r Repos) TakeBack(ctx context.Context, app appliance.AppName) error {
	repo := r.Path(app)
	if err := endCollecting(ctx, repo); err != nil {
		return fmt.Errorf("end git gc of %s: %w", app, err)
	}
	return removeRemains(repo)
}

// TakeBackAll is TakeBack for every repository there is.
func (r Repos) TakeBackAll(ctx context.Context) error {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".git") {
			continue
		}
		repo := filepath.Join(r.Dir, e.Name())
		if endErr := endCollecting(ctx, repo); endErr != nil {
			err = errors.Join(err, fmt.Errorf("end git gc of %s: %w", e.Name(), endErr))
			continue // what it has is not for us to remove
		}
		err = errors.Join(err, removeRemains(repo))
	}
	return err
}

// fanOut are the directories of single objects.
var fanOut = regexp.MustCompile(`^objects/[0-9a-f]{2}$`)

func openLock(repo string, flags int) (*os.File, error) {
	return os.OpenFile(filepath.Join(repo, collectLock), flags|os.O_RDWR, 0o600)
}

// endCollecting kills those that have the lock of a repository, and returns
// when they have ended.
func endCollecting(ctx context.Context, repo string) error {
	lock, err := openLock(repo, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there never was one
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		killHolders(lock)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// killHolders kills the processes, other than ourselves, that have a file
// open. They are looked for, and not written down: a number that was written
// down may be somebody else's now.
func killHolders(file *os.File) {
	own, err := file.Stat()
	if err != nil {
		return
	}
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is right
	for _, fd := range open {
		pid, err := strconv.Atoi(strings.Split(fd, "/")[2])
		if err != nil || pid == os.Getpid() {
			continue
		}
		if info, err := os.Stat(fd); err == nil && os.SameFile(own, info) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended in this moment
		}
	}
}

// removeRemains removes what git has not finished in a repository. Single
// objects, of which there may be many, it leaves to git, which forgets those
// that are half made after two weeks.
func removeRemains(repo string) error {
	var errs []error
	err := filepath.WalkDir(repo, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		rel, err := filepath.Rel(repo, path)
		if err != nil {
			return err
		}
		remains := isRemains(rel)
		if remains {
			errs = append(errs, os.RemoveAll(path))
		}
		if d.IsDir() && (remains || fanOut.MatchString(rel)) {
			return fs.SkipDir
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// isRemains tells whether a path in a repository is of something half made: a
// lock, a new pack or object, or the objects of a push that was not accepted.
// No ref and no object can be called like one.
func isRemains(rel string) bool {
	dir, name := filepath.Split(rel)
	switch {
	case strings.HasSuffix(name, ".lock"):
		return true
	case dir == "":
		return name == "gc.pid" || name == "gc.log" || name == "packed-refs.new"
	case !strings.HasPrefix(dir, "objects/"):
		return false
	case dir == "objects/":
		return strings.HasPrefix(name, "tmp_objdir-") || strings.HasPrefix(name, "incoming-")
	default:
		return strings.HasPrefix(name, "tmp_") || dir == "objects/pack/" && strings.HasPrefix(name, ".tmp-")
	}
}
