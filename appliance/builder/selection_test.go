package builder_test

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/progress"
)

// A planned is an engine whose run reads only what it is given.
type planned struct {
	appliance.Engine
	files map[string]string
}

func (p *planned) Run(_ context.Context, spec appliance.RunSpec) (appliance.RunResult, error) {
	p.files = map[string]string{}
	for r := tar.NewReader(spec.Stdin); ; {
		h, err := r.Next()
		if err != nil {
			return appliance.RunResult{Collected: []byte("process_types:\n  web: 'x'\n")}, nil
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return appliance.RunResult{}, err
		}
		p.files[strings.TrimPrefix(h.Name, "build/env/")] = string(text)
	}
}

// plan returns what a build of files is told to do, but for the ids.
func plan(t *testing.T, files map[string]string, change func(*builder.Request)) (map[string]string, error) {
	t.Helper()
	p := progress.New(io.Discard)
	req := builder.Request{App: "blog", Tag: "t", Source: source(t, files), Stack: "s", Out: p, Step: p.Step}
	if change != nil {
		change(&req)
	}
	e := new(planned)
	_, err := builder.Buildpacks{}.Build(t.Context(), e, req)
	return e.files, err
}

// places are where buildpacks can be named, the one that counts most first.
var places = []struct {
	from   string
	files  map[string]string
	change func(*builder.Request)
}{
	{"buildpacks:set", nil, func(r *builder.Request) { r.Settings.Buildpacks = []string{"nodejs", "https://example.org/a"} }},
	{"BUILDPACK_URL", nil, func(r *builder.Request) { r.Env = map[string]string{"BUILDPACK_URL": "https://example.org/b#v1\n"} }},
	{"BUILDPACK_URL in .env", map[string]string{".env": "# x\nOTHER=1\r\nexport BUILDPACK_URL=\"https://example.org/c\"\r\n"}, nil},
	{".buildpacks", map[string]string{".buildpacks": "\ufeff# the first\r\n\r\n  https://example.org/d#main\t # why\r\nhttps://example.org/d.tgz\r\n"}, nil},
	{"app.json", nil, func(r *builder.Request) { r.AppJSON.Buildpacks = []string{"heroku/ruby"} }},
}

func TestFirstPlaceThatNamesBuildpacksCounts(t *testing.T) {
	want := []string{
		"from buildpacks:set\nbuilt-in nodejs - -\ngit https://example.org/a https://example.org/a -\n",
		"from BUILDPACK_URL\ngit https://example.org/b#v1 https://example.org/b v1\n",
		"from BUILDPACK_URL in .env\ngit https://example.org/c https://example.org/c -\n",
		"from .buildpacks\ngit https://example.org/d#main https://example.org/d main\narchive https://example.org/d.tgz https://example.org/d.tgz -\n",
		"from app.json\ngit https://github.com/heroku/heroku-buildpack-ruby.git https://github.com/heroku/heroku-buildpack-ruby.git -\n",
	}
	for i, place := range places {
		// It counts although all those after it name others.
		files := map[string]string{"Procfile": "web: x"}
		for _, p := range places[i:] {
			maps.Copy(files, p.files)
		}

		got, err := plan(t, files, func(r *builder.Request) {
			for _, p := range places[i:] {
				if p.change != nil {
					p.change(r)
				}
			}
		})

		if withoutIDs(got["plan"]) != want[i] || err != nil {
			t.Errorf("%s: plan = %q, %v, want %q", place.from, withoutIDs(got["plan"]), err, want[i])
		}
	}
}

// withoutIDs leaves out what names a buildpack in the cache.
func withoutIDs(plan string) string {
	var b strings.Builder
	for line := range strings.Lines(plan) {
		words := strings.Fields(line)
		if words[0] != "from" {
			words = words[:len(words)-1]
		}
		b.WriteString(strings.Join(words, " ") + "\n")
	}
	return b.String()
}

func TestWithoutAnyNameTheBuiltInBuildpacksLook(t *testing.T) {
	got, err := plan(t, map[string]string{"Procfile": "web: x", ".buildpacks": "# none\n\n", ".env/bin/python": "of a virtualenv"},
		func(r *builder.Request) { r.Env = map[string]string{"BUILDPACK_URL": " ", "A": "1\n"} })

	if err != nil || !strings.HasPrefix(got["plan"], "try ") || !strings.HasSuffix(got["plan"], "try static - - static\ntry procfile - - procfile\n") {
		t.Errorf("plan = %q, %v", got["plan"], err)
	}
	if got["config/A"] != "1\n" {
		t.Errorf("files = %q", got)
	}
}

func TestHostileBuildpackIsRefusedWhereverItIsNamed(t *testing.T) {
	const hostile = "ext::sh -c touch% /tmp/x"
	for from, test := range map[string]struct {
		files  map[string]string
		change func(*builder.Request)
	}{
		"buildpacks:set":        {nil, func(r *builder.Request) { r.Settings.Buildpacks = []string{"nodejs", hostile} }},
		"BUILDPACK_URL":         {nil, func(r *builder.Request) { r.Env = map[string]string{"BUILDPACK_URL": hostile} }},
		"BUILDPACK_URL in .env": {map[string]string{".env": "BUILDPACK_URL=" + hostile}, nil},
		".buildpacks":           {map[string]string{".buildpacks": "nodejs\n" + hostile}, nil},
		"app.json":              {nil, func(r *builder.Request) { r.AppJSON.Buildpacks = []string{hostile} }},
	} {
		got, err := plan(t, test.files, test.change)

		if !errors.Is(err, appliance.ErrInvalid) || !strings.HasPrefix(err.Error(), from+": ") || appliance.HintOf(err) == "" || got != nil {
			t.Errorf("%s: %v, and the run was given %q", from, err, got)
		}
	}
}

func TestTooManyBuildpacksAreRefused(t *testing.T) {
	_, err := plan(t, map[string]string{".buildpacks": strings.Repeat("https://example.org/a\n", 31)}, nil)

	if !errors.Is(err, appliance.ErrInvalid) {
		t.Errorf("error = %v", err)
	}
}

// The id names a directory, and must not tell what the address holds.
func TestCacheOfABuildpackIsTheSameForAllItsVersionsAndCredentials(t *testing.T) {
	ids := map[string]bool{}
	for _, name := range []string{"https://example.org/a#v1", "https://example.org/a", "https://u:p@example.org/a"} {
		got, err := plan(t, map[string]string{"x": ""}, func(r *builder.Request) { r.Settings.Buildpacks = []string{name} })
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Fields(got["plan"])
		ids[words[len(words)-1]] = true
	}

	if len(ids) != 1 {
		t.Errorf("ids = %v, want one", ids)
	}
}

// A link may point at the files of the machine that builds.
func TestBuildpacksFileIsNotReadThroughALink(t *testing.T) {
	secret := source(t, map[string]string{"list": "SECRET"})

	_, err := plan(t, map[string]string{".buildpacks": "-> " + secret + "/list"}, nil)

	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("error = %v, want one that does not quote the file", err)
	}
}
