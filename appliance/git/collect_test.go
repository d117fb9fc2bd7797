package git_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

// many gives the repository commits whose objects are single files, and has git
// take n of them for too many. It returns the last commit.
func (w *world) many(n int) (head string) {
	w.t.Helper()
	for name, value := range map[string]string{"gc.auto": strconv.Itoa(n), "receive.autogc": "false", "fastimport.unpackLimit": "100000"} {
		w.git("--git-dir", w.Path("blog"), "config", name, value)
	}
	var stream strings.Builder
	for i := range n {
		text := strconv.Itoa(i)
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter t <t@t> %d +0000\ndata 0\nM 644 inline a\ndata %d\n%s\n", i, len(text), text)
	}
	if out, err := w.tryGit("work", strings.NewReader(stream.String()), "--git-dir", w.Path("blog"), "fast-import", "--quiet", "--force"); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	return w.git("--git-dir", w.Path("blog"), "rev-parse", "main")
}

// count is how many files there are of a pattern in the repository.
func (w *world) count(pattern string) int {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.Path("blog"), pattern))
	w.must(err)
	return len(found)
}

func TestCollectPacksWhenGitSaysSo(t *testing.T) {
	w := newWorld(t)
	w.write("a", "few")
	w.give(w.commit())
	w.must(w.Collect(t.Context(), "blog", false))
	if n := w.count("objects/pack/*.pack"); n != 0 {
		t.Errorf("%d packs of a few objects, want none", n)
	}

	w.many(300)
	loose := w.count("objects/??/*")
	w.must(w.Collect(t.Context(), "blog", false))

	if n := w.count("objects/pack/*.pack"); n != 1 || w.count("objects/??/*") > loose/10 {
		t.Errorf("%d packs and %d single objects of %d, want one pack", n, w.count("objects/??/*"), loose)
	}
	w.git("--git-dir", w.Path("blog"), "fsck", "--strict")
}

func TestCollectThoroughlyPacksAnything(t *testing.T) {
	w := newWorld(t)
	w.write("a", strings.Repeat("something ", 1000))
	commit := w.give(w.commit())

	before := w.Size("blog")
	w.must(w.Collect(t.Context(), "blog", true))

	if w.count("objects/pack/*.pack") != 1 || before == 0 || w.Size("blog") == 0 {
		t.Errorf("%d packs, %d bytes before and %d after, want one pack", w.count("objects/pack/*.pack"), before, w.Size("blog"))
	}
	if has, err := w.Has(t.Context(), "blog", commit); err != nil || !has {
		t.Errorf("it has its commit: %v, %v", has, err)
	}
}

// The locks and half-made files of a git that was killed, in all the places
// where git has some. A push would be refused for most of the locks.
func TestTakeBackRemovesWhatAKilledGitHasLeft(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	commit := w.give(w.commit())
	w.must(w.KeepCommits(t.Context(), "blog", commit))
	left := []string{
		"gc.pid", "gc.log", "packed-refs.lock", "packed-refs.new", "HEAD.lock", "config.lock", "shallow.lock", "refs/heads/main.lock", "refs/heads/feature/x.lock",
		"objects/maintenance.lock", "objects/info/commit-graph.lock", "objects/pack/multi-pack-index.lock", "objects/info/commit-graphs/commit-graph-chain.lock",
		"objects/pack/.tmp-77-pack-00aa.pack", "objects/pack/tmp_pack_xyz", "objects/pack/tmp_idx_xyz", "objects/tmp_objdir-incoming-abc/pack/tmp_pack_1", "objects/incoming-abc/00/11",
	}
	kept := []string{"HEAD", "config", "info/attributes", "refs/heads/main", "refs/heads/tmp_objdir-x/gc.pid", "refs/tags/packed-refs.new"}
	for _, name := range append(left, "refs/heads/tmp_objdir-x/gc.pid", "refs/tags/packed-refs.new") {
		path := filepath.Join(w.Path("blog"), name)
		w.must(os.MkdirAll(filepath.Dir(path), 0o700))
		w.must(os.WriteFile(path, []byte(commit+"\n"), 0o600))
	}
	if err := w.KeepCommits(t.Context(), "blog"); err == nil {
		t.Error("git does without the locks: this test shows nothing")
	}

	w.must(w.TakeBackAll(t.Context()))

	for _, name := range left {
		if w.count(name) != 0 {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range kept {
		if w.count(name) != 1 {
			t.Errorf("%s is gone", name)
		}
	}
	w.must(w.KeepCommits(t.Context(), "blog"))
	w.write("a", "2")
	w.give(w.commit())
	w.must(w.Collect(t.Context(), "blog", true))
	w.git("--git-dir", w.Path("blog"), "fsck", "--strict")
}

// A daemon is killed while git packs, at any moment of it; git itself goes on,
// or is killed too, in any order. The next daemon takes all of it back, and
// nothing is lost.
func TestAKilledCollectIsTakenBack(t *testing.T) {
	w := newWorld(t)
	head := w.many(400)
	w.must(w.KeepCommits(t.Context(), "blog", head))
	found := 0
	for i, wait := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond} {
		for _, how := range []string{"the daemon", "git gc", "all of git"} {
			w.write("b", fmt.Sprint(i, how))
			head = w.give(w.commit())
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "GIT_TEST_COLLECT="+w.Dir)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			out, err := cmd.StdoutPipe()
			w.must(err)
			w.must(cmd.Start())
			lock := filepath.Join(w.Path("blog"), "berth-gc")
			io.ReadFull(out, make([]byte, 1)) // it begins
			time.Sleep(wait)                  // a moment is what is tried here, not waited for
			w.must(cmd.Process.Kill())
			cmd.Wait()
			found += len(holders(lock))
			switch how {
			case "git gc":
				killOne(lock)
			case "all of git":
				for _, pid := range holders(lock) {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			}

			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err = w.TakeBackAll(ctx)
			cancel()

			if err != nil {
				t.Fatalf("%s killed after %s: %v", how, wait, err)
			}
			if left := holders(lock); len(left) != 0 {
				t.Fatalf("%s killed after %s: these are left: %v", how, wait, left)
			}
			w.whole(head)
		}
	}
	if found == 0 {
		t.Error("git had always ended when the daemon had: this test shows nothing")
	}
	w.must(w.Collect(t.Context(), "blog", true))
	w.whole(head)
}

// whole checks that the repository is, with a commit, and takes a push.
func (w *world) whole(commit string) {
	w.t.Helper()
	if has, err := w.Has(w.t.Context(), "blog", commit); err != nil || !has {
		w.t.Fatalf("it has %s: %v, %v", commit, has, err)
	}
	w.git("--git-dir", w.Path("blog"), "fsck", "--connectivity-only", "--no-dangling")
	w.must(w.KeepCommits(w.t.Context(), "blog"))
	w.must(w.KeepCommits(w.t.Context(), "blog", commit))
	if n := w.count("*.lock") + w.count("gc.pid") + w.count("objects/pack/*tmp*"); n != 0 {
		w.t.Fatalf("%d locks and half-made packs are left", n)
	}
}

// Whoever comes while a repository is packed waits until that has ended, and no
// longer.
func TestCollectEndsAtOnceWhenItIsGivenUp(t *testing.T) {
	w := newWorld(t)
	head := w.many(400)
	lock := filepath.Join(w.Path("blog"), "berth-gc")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Collect(ctx, "blog", true) }()
	await.That(t, "git runs", func() bool { return len(holders(lock)) > 0 })

	reason := errors.New("somebody came")
	began := time.Now()
	cancel(reason)
	err := <-ended
	t.Logf("it took %s to end it", time.Since(began))

	if err != nil && !errors.Is(err, reason) { // nil if it was quicker
		t.Errorf("error = %v, want the reason", err)
	}
	if left := holders(lock); len(left) != 0 {
		t.Errorf("these are left: %v", left)
	}
	w.whole(head)
}

// holders are the processes of git that pack a repository.
func holders(lock string) (pids []int) {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
		if to, err := os.Readlink(fd); err == nil && to == lock && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killOne kills the first of them.
func killOne(lock string) {
	if pids := holders(lock); len(pids) > 0 {
		syscall.Kill(pids[0], syscall.SIGKILL)
	}
}
