// Package builder knows the ways of turning an app's source into an image.
package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// A Builder is one way of building.
type Builder interface {
	// Name is what a release remembers: "dockerfile", "buildpacks".
	Name() string

	// Detect says whether the builder wants the source, and why, in words
	// that the pusher reads: "Dockerfile found".
	Detect(source fs.FS, s Settings) (reason string, ok bool)

	// Build makes req.Tag. The error of source that cannot be built names
	// what is wrong with it and carries a hint.
	Build(ctx context.Context, e appliance.Engine, req Request) (Result, error)

	// Explain says what Build would do, in lines for people, and changes
	// nothing. It uses neither req.Tag nor req.Out.
	Explain(ctx context.Context, e appliance.Engine, req Request) ([]string, error)
}

// A Request is what a builder needs for one build.
type Request struct {
	App    appliance.AppName
	Tag    appliance.Image
	Source string // the directory that holds the source
	Commit string

	// Previous is the image of the release that is live, whose parts a
	// builder may use again; "" for the first.
	Previous appliance.Image
	Env      map[string]string // the app's config; it never lands in an image
	Stack    appliance.Image   // what buildpacks build on

	// Kept is what KeepLayer has made for this app on this stack, for a build
	// with buildpacks to begin with; "" for none.
	Kept appliance.Image

	// Prepared is what Buildpacks.Prepare has returned for this App, Stack, Kept
	// and Fence, or "".
	Prepared string

	// Fresh has the build use nothing of those before it.
	Fresh bool

	Settings Settings
	AppJSON  appliance.AppJSON
	Fence    appliance.Fence // for everything that the build runs

	Logins       []appliance.RegistryLogin // for images that the app's own image is made of
	SharedLogins []appliance.RegistryLogin // for images that other apps use as well

	Out  io.Writer                        // indents what is written to it
	Step func(format string, args ...any) // prints a headline
}

// Settings are what an app was told about its builds. The zero value leaves
// everything to what the source says.
type Settings struct {
	Selected     string   // the name of the builder to use
	Dir          string   // the directory of the source that is the app's; "" for all of it
	Dockerfile   string   // relative to Dir
	ProjectTOML  string   // relative to Dir
	Buildpacks   []string // in their order, as somebody wrote them
	BuilderImage string   // for Cloud Native Buildpacks
	Options      []string // docker-options of the build phase

	// NoBuildpacks is set for an app that is not to be built with buildpacks.
	NoBuildpacks bool

	// Start is what starts the processes of a Dockerfile or an image without a
	// Procfile, by type.
	Start appliance.Procfile

	BuildpackURL string // what the config says in BUILDPACK_URL
}

// A Result is what came of a build.
type Result struct {
	Image    appliance.Image
	Procfile appliance.Procfile
	Services map[string]appliance.Service
	Config   map[string]string // what buildpacks want to be set at the first deploy
	Secrets  []string          // the keys of config that need a secret of the app's own, to be made up at the first deploy
	Port     int               // what web listens on when PORT tells it nothing else
	Stack    appliance.Image   // "" when the source chose its own base

	// Keeps names dependencies that this build has unpacked, and that the next
	// ones need not if KeepLayer makes a layer of them; "" for none.
	Keeps string

	// Inherits tells that it began with the Request's Kept, and uses it.
	Inherits bool
}

// DefaultPort is what PORT says to an app that names no port of its own, as
// on Heroku and Dokku.
const DefaultPort = 5000

// For returns the builder that s selects, else buildpacks if somebody has
// named some, else the first of builders that wants the source; and the
// reason.
func For(source fs.FS, s Settings, builders ...Builder) (Builder, string, error) {
	if entries, err := fs.ReadDir(source, "."); err != nil {
		return nil, "", fmt.Errorf("read the source: %w", err)
	} else if len(entries) == 0 {
		return nil, "", appliance.WithHint(errors.New("the source is empty"),
			"commit something to deploy: a package.json, a go.mod, an index.html or a Dockerfile")
	}
	if s.Selected != "" {
		i := slices.IndexFunc(builders, func(b Builder) bool { return b.Name() == s.Selected })
		if i < 0 {
			return nil, "", fmt.Errorf("builder %q %w", s.Selected, appliance.ErrNotFound)
		}
		if s.NoBuildpacks && s.Selected == (Buildpacks{}).Name() {
			return nil, "", errNoBuildpacks("selected with builder:set")
		}
		return builders[i], "selected with builder:set", nil
	}
	if reason, ok := buildpacksChosen(source, s); ok {
		if s.NoBuildpacks {
			return nil, "", errNoBuildpacks(reason)
		}
		if i := slices.IndexFunc(builders, func(b Builder) bool { return b.Name() == (Buildpacks{}).Name() }); i >= 0 {
			return builders[i], reason, nil
		}
	}
	for _, b := range builders {
		if reason, ok := b.Detect(source, s); ok {
			if s.NoBuildpacks && b.Name() == (Buildpacks{}).Name() {
				return nil, "", errNoBuildpacks(reason) // it is the last: no other wants the source
			}
			return b, reason, nil
		}
	}
	return nil, "", errNothingRecognised()
}

func errNoBuildpacks(reason string) error {
	return appliance.WithHint(fmt.Errorf("this would be built with buildpacks (%s), which are not allowed here", reason),
		"builder-herokuish:set <app> allowed true lets them; or commit a Dockerfile, or a project.toml for Cloud Native Buildpacks")
}

// buildpacksChosen tells whether somebody has named buildpacks, which is as
// good as selecting them: a Dockerfile beside them is for something else. A
// file that cannot be read names none.
func buildpacksChosen(source fs.FS, s Settings) (reason string, ok bool) {
	if len(s.Buildpacks) > 0 {
		return "chosen with buildpacks:set", true
	}
	if s.BuildpackURL != "" {
		return "config has BUILDPACK_URL", true
	}
	if dotenvBuildpack(source) != "" {
		return ".env has BUILDPACK_URL", true
	}
	names, err := buildpacksFile(source)
	return ".buildpacks found", err == nil && len(names) > 0
}

// Enter opens the directory dir of the source, for an app that is only part of
// a repository, and returns its name on this machine. It never leaves the
// source, not through a link either.
func Enter(app appliance.AppName, source, dir string) (*os.Root, string, error) {
	whole, err := os.OpenRoot(source)
	if err != nil || dir == "" {
		return whole, source, err
	}
	defer whole.Close()
	part, err := whole.OpenRoot(dir)
	if err != nil {
		return nil, "", appliance.WithHint(fmt.Errorf("the build-dir %s is not in the commit: %w", dir, reason(err)),
			fmt.Sprintf("name a directory of the repository: builder:set %s build-dir <dir>; without one, the whole repository is built", app))
	}
	return part, filepath.Join(source, dir), nil
}

// errNothingRecognised is a new error each time, because hints are values.
func errNothingRecognised() error {
	return appliance.WithHint(
		errors.New("nothing here that can be built: no Dockerfile, compose.yaml, Procfile, package.json, requirements.txt, go.mod, Gemfile, composer.json, static.json or index.html in the root of the repository"),
		"commit one of them to the root of the repository and push again; "+docs+" says what each gives")
}

// docs is where the builders are explained.
const docs = "https://github.com/berthhq/berth/blob/main/docs/buildpacks.md"
