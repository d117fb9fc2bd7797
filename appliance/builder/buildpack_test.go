package builder_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

func TestParseBuildpack(t *testing.T) {
	for text, want := range map[string]builder.Buildpack{
		"nodejs":                       {Name: "nodejs"},
		" berth/go\r":                  {Name: "go"},
		"heroku/nodejs":                {URL: "https://github.com/heroku/heroku-buildpack-nodejs.git"},
		"heroku-community/apt":         {URL: "https://github.com/heroku/heroku-buildpack-apt.git"},
		"mars/create-react-app#v9.0.0": {URL: "https://github.com/mars/heroku-buildpack-create-react-app.git", Ref: "v9.0.0"},
		"https://github.com/heroku/heroku-buildpack-go":                  {URL: "https://github.com/heroku/heroku-buildpack-go"},
		"https://github.com/heroku/heroku-buildpack-go.git#main":         {URL: "https://github.com/heroku/heroku-buildpack-go.git", Ref: "main"},
		"http://git.example.org:8080/a/b.git#feature/x-1":                {URL: "http://git.example.org:8080/a/b.git", Ref: "feature/x-1"},
		"git@github.com:heroku/heroku-buildpack-go.git#v1":               {URL: "https://github.com/heroku/heroku-buildpack-go.git", Ref: "v1"},
		"git://github.com/heroku/heroku-buildpack-go.git":                {URL: "https://github.com/heroku/heroku-buildpack-go.git"},
		"https://example.org/buildpacks/heroku/apt.tgz":                  {URL: "https://example.org/buildpacks/heroku/apt.tgz", Archive: true},
		"https://example.org/archive/main.tar.gz?token=a%20b&c=d":        {URL: "https://example.org/archive/main.tar.gz?token=a%20b&c=d", Archive: true},
		"https://example.org/archive/main.ZIP":                           {URL: "https://example.org/archive/main.ZIP", Archive: true},
		"https://user:token@example.org/a/b":                             {URL: "https://user:token@example.org/a/b"},
		"https://example.org/a/7f3a2c1d9e8b7f3a2c1d9e8b7f3a2c1d9e8b7f3a": {URL: "https://example.org/a/7f3a2c1d9e8b7f3a2c1d9e8b7f3a2c1d9e8b7f3a"},
	} {
		if got, err := builder.ParseBuildpack(text); err != nil || got != want {
			t.Errorf("%q = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// Whoever may push may write such a line. It becomes an argument of git and a
// line of what a shell reads.
func TestParseBuildpackRefusesWhatIsHostile(t *testing.T) {
	for _, text := range []string{
		"", "-", "--upload-pack=touch /tmp/x", "file:///etc", "/etc", "../x", "ext::sh -c touch% /tmp/x", "ssh://git@example.org/a/b",
		"ftp://example.org/a.tgz", "https://", "https:///a", "https://example.org", "https://example.org/",
		"https://example.org/a b", "https://example.org/a\nfrom x", "https://example.org/a\x00", "https://example.org/$(touch x)`y`", `https://example.org/a"b`, `https://example.org/a\b`,
		"https://example.org/a#-x", "https://example.org/a#", "https://example.org/a#a..b", "https://example.org/a#a b", "https://example.org/a#a#b", "https://example.org/a#a:b", "https://example.org/a#+a^",
		"https://example.org/a.tgz#main", "owner/", "/name", "owner/na/me", "owner/-name", "-o/name", "git@example.org:/etc", "git@-oProxyCommand=x:a/b",
		"nosuch", "berth/nosuch", "Nodejs", "https://example.org/" + strings.Repeat("x", 3000),
	} {
		b, err := builder.ParseBuildpack(text)
		if !errors.Is(err, appliance.ErrInvalid) || appliance.HintOf(err) == "" || len(err.Error()) > 600 {
			t.Errorf("%.50q = %+v, %v, want ErrInvalid and a hint", text, b, err)
		}
	}
}

func TestBuildpackIsShownWithoutItsCredentials(t *testing.T) {
	for text, want := range map[string]string{
		"https://user:hunter2@example.org/a/b#v1":    "https://example.org/a/b#v1",
		"https://hunter2@example.org/a/b":            "https://example.org/a/b",
		"https://user:hunter2@evil@example.org/a/b":  "https://example.org/a/b",
		"ftp://user:hunter2@example.org/a/b":         "//…@example.org",
		"https://user:hunter2@example.org/a b":       "//…@example.org",
		"https://user:hunter2@example.org/a/b#x..y":  "//…@example.org",
		"https://user:hunt/hunter2@example.org/a/b#": "//…@example.org",
	} {
		b, err := builder.ParseBuildpack(text)
		shown := b.String()
		if err != nil {
			shown = err.Error()
		} else if !b.Secret() {
			t.Errorf("%q is not said to hold a secret", text)
		}
		if !strings.Contains(shown, want) || strings.Contains(shown, "hunter2") {
			t.Errorf("%q is shown as %q, want %q", text, shown, want)
		}
	}
}

func TestBuiltInBuildpacksAreThoseOfTheStack(t *testing.T) {
	names := builder.BuiltIn()

	for _, name := range []string{"nodejs", "go", "static", "procfile"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among %q", name, names)
		}
	}
	if slices.Index(names, "nodejs") > slices.Index(names, "static") || slices.Index(names, "static") > slices.Index(names, "procfile") {
		t.Errorf("order = %q", names)
	}
}
