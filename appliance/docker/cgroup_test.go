package docker_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/docker"
)

// The kernel of the machine that runs the tests has one of the two versions;
// these files stand for the other.
func TestAFenceIsWrittenAsBothVersionsOfCgroupsWantIt(t *testing.T) {
	fence := appliance.Fence{Memory: 256 << 20, CPUs: 1.5, Weight: 100, Pids: 300}
	for version, want := range map[string]map[string]string{
		"1": {
			"memory/x/memory.limit_in_bytes":       "268435456",
			"memory/x/memory.memsw.limit_in_bytes": "268435456",
			"cpu/x/cpu.cfs_quota_us":               "150000",
			"cpu/x/cpu.shares":                     "102",
			"blkio/x/blkio.bfq.weight":             "10",
			"pids/x/pids.max":                      "300",
		},
		"2": {
			"x/memory.max":      "268435456",
			"x/memory.swap.max": "0",
			"x/cpu.max":         "150000 100000",
			"x/cpu.weight":      "10",
			"x/io.weight":       "default 10",
			"x/pids.max":        "300",
		},
	} {
		t.Run(version, func(t *testing.T) {
			root := t.TempDir()
			if version == "2" {
				put(t, filepath.Join(root, "cgroup.controllers"), "")
			}
			for name := range want {
				put(t, filepath.Join(root, name), "")
			}

			docker.Limit(root, "/x", fence)

			for name, want := range want {
				if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
					t.Errorf("%s = %q, %v, want %q", name, got, err, want)
				}
			}
		})
	}
}

// Of what the kernel counts, a cache that it can drop is not in use.
func TestUsageIsReadAsBothVersionsOfCgroupsCountIt(t *testing.T) {
	for version, files := range map[string]map[string]string{
		"1": {
			"cpuacct/x/cpuacct.usage": "2500000000\n", "memory/x/memory.usage_in_bytes": "1000\n",
			"memory/x/memory.stat": "inactive_file 1\ntotal_inactive_file 300\n",
		},
		"2": {
			"cgroup.controllers": "", "x/cpu.stat": "usage_usec 2500000\nuser_usec 1\n", "x/memory.current": "1000\n",
			"x/memory.stat": "active_file 1\ninactive_file 300\n",
		},
	} {
		t.Run(version, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range files {
				put(t, filepath.Join(root, name), content)
			}

			cpu, memory := docker.Used(root, "/x")

			if cpu != 2500*time.Millisecond || memory != 700 {
				t.Errorf("used = %s and %d bytes, want 2.5s and 700", cpu, memory)
			}
		})
	}
}

// Several steps of one build run at once, and what each may take changes as
// they go. Their limits together are never more than those of the build.
func TestStepsShareWhatTheirBuildMayTake(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, "cgroup.controllers"), "")
	for name, content := range map[string]string{
		"a/memory.current": "629145600", "a/pids.current": "20", // 600 MB
		"b/memory.current": "209715200", "b/pids.current": "60", // 200 MB
		"a/memory.max": "", "b/memory.max": "", "a/pids.max": "", "b/pids.max": "", "a/cpu.max": "", "b/cpu.max": "",
	} {
		put(t, filepath.Join(root, name), content)
	}

	docker.Share(root, []string{"/a", "/b"}, appliance.Fence{Memory: 1000 << 20, Pids: 100, CPUs: 1})

	for name, want := range map[string]string{
		"a/memory.max": "734003200", "a/pids.max": "30", "a/cpu.max": "50000 100000",
		"b/memory.max": "314572800", "b/pids.max": "70", "b/cpu.max": "50000 100000",
	} {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
}

func put(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// In a container, a hierarchy of version 1 shows the container's own groups
// only, and /proc tells of them as the machine sees them.
func TestACgroupIsFoundAlsoFromInsideAContainer(t *testing.T) {
	for _, c := range []struct{ root, path, want string }{
		{"/", "/docker/inner", "/docker/inner"},
		{"/docker/outer", "/docker/outer/docker/inner", "/docker/inner"},
		{"/docker/outer", "/docker/outer", ""},
		{"/docker/outer", "/docker/outermost", "/docker/outermost"},
		{"/docker/outer", "/docker/buildkit/step", "/docker/buildkit/step"},
	} {
		if got := docker.Below(c.root, c.path); got != c.want {
			t.Errorf("Below(%q, %q) = %q, want %q", c.root, c.path, got, c.want)
		}
	}
}
