package command_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestStorageIsMountedInWhatIsStartedFromThenOn(t *testing.T) {
	w := newWorld(t)
	shared := filepath.Join(w.dir, "storage", "shared")
	w.must(os.MkdirAll(shared, 0o755))

	w.run(mia, "storage:mount", "blog", "data:/app/data")
	w.ok("storage:mount", "blog", shared+":/srv:ro")
	w.deploy("blog", "web: serve\n")

	mounts := w.engine.Started()[0].Mounts
	if len(mounts) != 2 || mounts[0] != (appliance.Mount{Volume: "data", Path: "/app/data"}) || mounts[1] != (appliance.Mount{Dir: shared, Path: "/srv", ReadOnly: true}) {
		t.Errorf("mounts = %+v", mounts)
	}
	if out := w.ok("storage:list", "blog", "--quiet"); out != "data:/app/data\n"+shared+":/srv:ro\n" {
		t.Errorf("list = %q", out)
	}
	if r := w.run(mia, "storage:mount", "blog", "other:/app/data"); !errors.Is(r.err, appliance.ErrExists) {
		t.Errorf("a second at the same path: %v", r.err)
	}
	w.ok("storage:unmount", "blog", "data:/app/data")
	if r := w.run(mia, "storage:unmount", "blog", "data:/app/data"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("again: %v", r.err)
	}
	if out := w.ok("storage:report", "blog", "--storage-deploy-mounts"); out != "-v "+shared+":/srv:ro\n" {
		t.Errorf("report = %q", out)
	}
}

func TestManagerHasOneDirectoryOfTheMachine(t *testing.T) {
	w := newWorld(t)
	own := filepath.Join(w.dir, "storage", "blog")
	w.must(os.MkdirAll(filepath.Join(w.dir, "storage", "api"), 0o755))
	if os.Getuid() == 0 {
		if r := w.run(mia, "storage:mount", "blog", own+":/data"); r.err != nil {
			t.Fatal(r.err)
		}
	}
	// Attacks: another app's directory, one in which the app could lay a link,
	// one of the machine.
	for _, dir := range []string{filepath.Join(w.dir, "storage", "api"), own + "/sub", w.dir, "/srv", "/", filepath.Join(w.dir, "storage")} {
		if r := w.run(mia, "storage:mount", "blog", dir+":/other"); r.err == nil {
			t.Errorf("%s: it was mounted", dir)
		}
	}
	// What an app that had the name has left there.
	w.must(os.WriteFile(filepath.Join(w.dir, "storage", "api", "secret"), nil, 0o600))
	if r := w.run(carol, "storage:mount", "api", filepath.Join(w.dir, "storage", "api")+":/data"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("what is not empty: %v", r.err)
	}
}

// Attacks: what no app may have, whoever asks.
func TestWhatIsTheMachinesIsNeverMounted(t *testing.T) {
	w := newWorld(t)
	w.must(os.MkdirAll(filepath.Join(w.dir, "storage"), 0o755))
	link := filepath.Join(w.dir, "storage", "link")
	w.must(os.Symlink(w.dir, link))
	for _, mount := range []string{
		w.dir + ":/x", filepath.Join(w.dir, "git") + ":/x", filepath.Join(w.dir, "berth.db") + ":/x", filepath.Join(w.dir, "storage") + ":/x", link + ":/x", link + "/git:/x",
		"/:/x", "/var:/x", "/etc:/x", "/proc:/x", "/sys:/x", "/dev:/x", "/run:/x", "/var/run/docker.sock:/x", "/run/docker.sock:/x", "/var/lib/docker:/x", "/root:/x", "/usr/bin:/x",
		"/srv/../etc:/x", "/nowhere/at/all:/x", "data:/", "data:/proc", "data:/proc/self", "data:/dev/shm", "data:relative", "data:/a/../b", "data:/a,b", "data:/a:rw:x", "data:/a:suid", "data", ":/x", "../x:/x", "a/b:/x", "-v:/x",
		"data\n:/x", "data:/x\n", "Data:/x", "data:/x:Z", strings.Repeat("a", 70) + ":/x",
	} {
		if r := w.run(ada, "storage:mount", "--", "blog", mount); r.err == nil {
			t.Errorf("%q was mounted", mount)
		}
	}
	if out := w.ok("storage:list", "blog", "--quiet"); out != "" {
		t.Errorf("list = %q, want none", out)
	}
}

// Attack: a directory that was mounted is replaced by a link before the next
// start.
func TestALinkThatCameLaterIsNotFollowedOut(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(w.dir, "storage", "shared")
	w.must(os.MkdirAll(dir, 0o755))
	w.ok("storage:mount", "blog", dir+":/srv")
	w.must(os.Remove(dir))
	w.must(os.Symlink("/etc", dir))

	_, err := w.Contain(t.Context(), appliance.RunSpec{App: "blog"}, "web")

	if !errors.Is(err, appliance.ErrDenied) {
		t.Errorf("Contain = %v, want it refused", err)
	}
}

func TestDirectoryIsMadeBelowTheStorageOnly(t *testing.T) {
	w := newWorld(t)
	w.ok("storage:ensure-directory", "files", "--chown", "false")
	if info, err := os.Stat(filepath.Join(w.dir, "storage", "files")); err != nil || !info.IsDir() {
		t.Errorf("directory: %v", err)
	}
	w.must(os.Symlink("/etc", filepath.Join(w.dir, "storage", "link")))
	for _, args := range [][]string{{"../x"}, {"/etc"}, {"a/b"}, {".."}, {""}, {"link"}, {"x", "--chown", "nobody"}, {"x", "--chown", "-1"}} {
		if r := w.run(ada, append([]string{"storage:ensure-directory"}, args...)...); r.err == nil {
			t.Errorf("%q went well", args)
		}
	}
}
