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
