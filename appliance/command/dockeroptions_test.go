package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

func TestDockerOptionsAreKeptOncePerThingTheySet(t *testing.T) {
	w := newWorld(t)
	list := func() string { return strings.TrimSpace(w.ok("docker-options:list", "blog", "--quiet")) }

	w.ok("docker-options:add", "blog", "build", "--build-arg", "A=1")
	w.ok("docker-options:add", "blog", "build", "--build-arg B=2 --secret id=npm,env=NPM_TOKEN --target test")
	w.ok("docker-options:add", "blog", "build", "--build-arg=A", "--target", "prod", "--no-cache")

	if want := "--build-arg B=2\n--secret id=npm,env=NPM_TOKEN\n--build-arg A\n--target prod\n--no-cache"; list() != want {
		t.Errorf("options =\n%s\nwant\n%s", list(), want)
	}
	if r := w.run(bob, "docker-options:remove", "blog", "build", "--build-arg", "A=other"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("remove what is not there: %v", r.err)
	}

	w.ok("docker-options:remove", "blog", "build", "--build-arg A", "--target prod")

	if want := "--build-arg B=2\n--secret id=npm,env=NPM_TOKEN\n--no-cache"; list() != want {
		t.Errorf("options =\n%s\nwant\n%s", list(), want)
	}
	if out := w.ok("docker-options:report", "blog"); !strings.Contains(out, "Docker options build:          --build-arg B=2 --secret id=npm,env=NPM_TOKEN --no-cache") {
		t.Errorf("report =\n%s", out)
	}

	w.ok("docker-options:clear", "blog", "build")

	if list() != "" {
		t.Errorf("options = %q, want none", list())
	}
}

// Every option of Docker is a way out of the fence, unless it is one of ours.
func TestDockerOptionsThatAreNotForBuildsAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, line := range [][]string{
		{"build", "--privileged"}, {"build", "-v /:/host"}, {"build", "--network=host"}, {"build", "--secret id=x,src=/etc/shadow"},
		{"deploy", "--build-arg A=1"}, {"run", "--build-arg A=1"}, {"build,deploy", "--build-arg A=1"}, {"nope", "--no-cache"},
		{"build", "--no-cache --privileged"}, {"build", "--build-arg", "A=hunter2", "hunter2"},
	} {
		r := w.run(bob, append([]string{"docker-options:add", "blog"}, line...)...)

		if !errors.Is(r.err, appliance.ErrInvalid) || appliance.HintOf(r.err) == "" {
			t.Errorf("%q: %v, hint %q", line, r.err, appliance.HintOf(r.err))
		}
		if e := w.last(); strings.Contains(e.Detail+e.Error, "hunter2") {
			t.Errorf("%q: event = %+v has the value", line, e)
		}
	}
	if out := w.ok("docker-options:list", "blog", "--quiet"); out != "" {
		t.Errorf("options = %q, want none", out)
	}
	if r := w.run(bob, "docker-options:add", "blog", "build"); !errors.Is(r.err, command.ErrUsage) {
		t.Errorf("no option: %v, want a usage error", r.err)
	}
}

func TestContainersHaveTheOptionsOfTheirPhaseAndType(t *testing.T) {
	w := newWorld(t)
	w.ok("docker-options:add", "blog", "deploy,run", "--shm-size 64m --ulimit nofile=1024:4096 --tmpfs /scratch:size=16m -l team=red")
	w.ok("docker-options:add", "blog", "deploy", "--shm-size=128m", "--read-only", "--init=false", "--cap-drop", "chown", "--add-host", "db:10.0.0.5", "--dns", "10.0.0.1", "--hostname", "blog", "--user", "1000:1000")
	w.ok("docker-options:add", "--process", "worker", "blog", "deploy", "--shm-size 1g")
	w.ok("ps:scale", "blog", "worker=1")

	w.deploy("blog", "web: serve\nworker: serve\n")

	for _, spec := range w.engine.Started() {
		o := spec.Options
		shm := map[string]int64{"web": 128 << 20, "worker": 1 << 30}[spec.Type]
		if o.SharedMemory != shm || !o.ReadOnly || !o.NoInit || o.Dropped[0] != "CHOWN" || o.Hosts[0] != "db:10.0.0.5" || o.DNS[0] != "10.0.0.1" ||
			o.Hostname != "blog" || o.User != "1000:1000" || o.Ulimits[0] != (appliance.Ulimit{Name: "nofile", Soft: 1024, Hard: 4096}) ||
			o.Tmpfs["/scratch"] != "size=16m" || o.Labels["team"] != "red" {
			t.Errorf("%s has %+v", spec.Type, o)
		}
	}
	run, err := w.Contain(t.Context(), appliance.RunSpec{App: "blog"}, "web")
	if err != nil || run.Options.SharedMemory != 64<<20 || run.Options.ReadOnly {
		t.Errorf("run = %+v, %v", run.Options, err)
	}
	if out := w.ok("docker-options:list", "blog", "--phase", "deploy", "--process", "worker", "--quiet"); out != "--shm-size 1g\n" {
		t.Errorf("list = %q", out)
	}
	if out := w.ok("docker-options:report", "blog"); !strings.Contains(out, "Docker options deploy.worker:") {
		t.Errorf("report = %q", out)
	}
	w.ok("docker-options:remove", "blog", "deploy", "--shm-size 128m")
	if r := w.run(ada, "docker-options:remove", "blog", "deploy,run", "--read-only"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("remove of what one phase has not: %v", r.err)
	}
	if out := w.ok("docker-options:list", "blog", "--phase", "deploy", "--quiet"); !strings.Contains(out, "--read-only") {
		t.Errorf("list = %q, want all or none", out)
	}
	w.ok("docker-options:clear", "blog")
	if out := w.ok("docker-options:list", "blog", "--phase", "run", "--quiet"); out != "" {
		t.Errorf("list = %q, want none", out)
	}
}

// Attacks: each would lead out of the container, or into another.
func TestDockerOptionsThatLeadOutAreRefusedToEverybody(t *testing.T) {
	w := newWorld(t)
	for _, option := range []string{
		"--privileged", "--privileged=true", "--cap-add SYS_ADMIN", "--cap-add=ALL", "--cap-add CAP_SYS_PTRACE", "--cap-add NET_RAW", "--volume /:/host", "-v /:/host",
		"-v/:/host", "--mount type=bind,source=/,target=/host", "--network host", "--net=host", "--pid host", "--ipc=host", "--uts host", "--userns host", "--cgroupns host",
		"--device /dev/sda", "--security-opt seccomp=unconfined", "--runtime x", "--sysctl kernel.x=1", "--cgroup-parent /", "--oom-kill-disable",
		"--label berth.instance=x", "--label berth.app=api", "--label Berth.App=api", "--label com.docker.x=1", "--tmpfs /proc", "--tmpfs /sys/fs", "--tmpfs /", "--tmpfs /a/../proc", "--tmpfs relative",
		"--tmpfs /a:size=1,x=y", "--add-host x:host-gateway", "--add-host x:y", "--add-host \"x\ny:1.2.3.4\"", "--dns evil", "--hostname -x", "--user ../x", "--user root:x:y", "--ulimit nofile=-1",
		"--ulimit nofile=99999999", "--ulimit x=1", "--memory 1k", "--memory -1", "--cpus 0", "--pids-limit -1", "--pids-limit 0", "--shm-size x", "--env A=hunter2", "--restart always", "--stop-timeout 5",
		"--publish 22:22", "--nope", "--build-arg A=1", "nothing", "--read-only=maybe", "--volumes-from api", "--link api", "--group-add docker", "--cgroup-parent=x", "--isolation x",
	} {
		for _, actor := range []appliance.Actor{bob, ada} {
			r := w.run(actor, "docker-options:add", "blog", "deploy,run", option)

			if !errors.Is(r.err, appliance.ErrInvalid) || appliance.HintOf(r.err) == "" {
				t.Errorf("%s by %s: %v, hint %q", option, actor.Name, r.err, appliance.HintOf(r.err))
			}
			if e := w.last(); strings.Contains(e.Detail+e.Error, "hunter2") {
				t.Errorf("%s: event = %+v has the value", option, e)
			}
		}
	}
	for _, phase := range []string{"deploy", "run"} {
		if out := w.ok("docker-options:list", "blog", "--phase", phase, "--quiet"); out != "" {
			t.Errorf("options of %s = %q, want none", phase, out)
		}
	}
}
