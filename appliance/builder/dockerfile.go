package builder

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Dockerfile builds source that brings its own Dockerfile.
type Dockerfile struct{}

// Name is "dockerfile".
func (Dockerfile) Name() string { return "dockerfile" }

// Detect wants source with a Dockerfile in its root, or the app that was told
// where its own is.
func (Dockerfile) Detect(source fs.FS, s Settings) (string, bool) {
	if s.Dockerfile != "" {
		return "dockerfile-path is " + s.Dockerfile, true
	}
	return "Dockerfile found", isFile(source, "Dockerfile")
}

// isFile tells whether name is a file, or a link to one within the source.
func isFile(source fs.FS, name string) bool {
	info, err := fs.Stat(source, name)
	return err == nil && info.Mode().IsRegular()
}

// Build builds the Dockerfile. Of the app's config it is given what
// docker-options say, and nothing else: build arguments stay readable in the
// image's history for good.
func (Dockerfile) Build(ctx context.Context, e appliance.Engine, req Request) (Result, error) {
	source, err := os.OpenRoot(req.Source)
	if err != nil {
		return Result{}, err
	}
	defer source.Close()
	name := "Dockerfile"
	if req.Settings.Dockerfile != "" {
		name = req.Settings.Dockerfile
	}
	if !isFile(source.FS(), name) {
		return Result{}, noDockerfile(name, req)
	}
	procfile, err := readProcfile(source.FS())
	if err != nil {
		return Result{}, err
	}
	if procfile == nil {
		procfile = appliance.Procfile{}
	}
	if _, releases := procfile["release"]; len(procfile) == 0 || releases && len(procfile) == 1 {
		// The image's own command is its web process: an empty command says
		// that there is none to put in its place.
		procfile["web"] = ""
		maps.Copy(procfile, req.Settings.Start)
	}
	if compose, ok := findCompose(source.FS()); ok && req.Settings.Selected == "" {
		fmt.Fprintf(req.Out, "%s is not used: the Dockerfile goes first; to run its services: builder:set %s selected compose\n", compose, req.App)
	}
	spec := appliance.BuildSpec{Tag: req.Tag, Dir: req.Source, Dockerfile: name}
	if err := req.apply(&spec); err != nil {
		return Result{}, err
	}
	info, err := req.build(ctx, e, spec)
	if err != nil {
		return Result{}, err
	}
	if command, ok := procfile["web"]; ok && command == "" && !runs(info) {
		return Result{}, appliance.WithHint(errors.New("the image says nothing of what to run"),
			"end the Dockerfile with CMD or ENTRYPOINT, as in CMD [\"node\", \"server.js\"], or add a Procfile with a line as in web: node server.js")
	}
	return Result{Image: req.Tag, Procfile: procfile, Port: lowest(info.Ports, DefaultPort)}, nil
}

func noDockerfile(name string, req Request) error {
	hint := "commit a Dockerfile, or let the source decide: builder:set " + string(req.App) + " selected"
	if req.Settings.Dockerfile != "" {
		hint = fmt.Sprintf("commit it, or name another, relative to %s: builder-dockerfile:set %s dockerfile-path deploy/Dockerfile",
			root(req.Settings.Dir), req.App)
	}
	return appliance.WithHint(fmt.Errorf("there is no file %s in the commit", name), hint)
}

// root names the directory that holds an app's source.
func root(dir string) string {
	if dir == "" {
		return "the root of the repository"
	}
	return dir
}

// build makes an image for the app within its fence, and returns what it is.
func (req Request) build(ctx context.Context, e appliance.Engine, spec appliance.BuildSpec) (appliance.ImageInfo, error) {
	spec.App, spec.Fence, spec.Logins, spec.Out = req.App, req.Fence, req.Logins, req.Out
	spec.Fresh = spec.Fresh || req.Fresh
	image, err := e.Build(ctx, spec)
	if err != nil {
		return appliance.ImageInfo{}, advise(err, spec)
	}
	info, err := e.Inspect(ctx, image)
	if err != nil {
		return info, fmt.Errorf("look at the image: %w", err)
	}
	return info, nil
}

// runs tells whether an image says what to run.
func runs(info appliance.ImageInfo) bool { return len(info.Cmd) > 0 || len(info.Entrypoint) > 0 }

// lowest returns the lowest of the ports, or another if there is none: whoever
// names several has the plain one below the others (80 and 443, 3000 and 9229).
func lowest(ports []int, otherwise int) int {
	if len(ports) == 0 {
		return otherwise
	}
	return slices.Min(ports)
}

var (
	missingFile = regexp.MustCompile(`"/?([^"]+)":? not found|/buildkit-mount\d+/(\S+): no such file or directory`)
	frontend    = regexp.MustCompile(`(?i)^#\s*syntax\s*=\s*(\S+)`)
	stepFailed  = regexp.MustCompile(`exit status \d+$`)
	notFetched  = regexp.MustCompile(`pull access denied|failed to do request|failed to resolve|dial tcp|no such host|not found: manifest|TLS handshake`)
)

// advise adds to the error of a build what the person can do. BuildKit has no
// codes for what went wrong, only text; where that is another some day, the
// advice is missing and the error still says it all.
func advise(err error, spec appliance.BuildSpec) error {
	text := err.Error()
	switch m := missingFile.FindStringSubmatch(text); {
	case appliance.HintOf(err) != "" || errors.Is(err, context.Canceled):
		return err
	case stepFailed.MatchString(text):
		return appliance.WithHint(err, "the lines above say why; docker build runs the same step on your own machine")
	case strings.Contains(text, "target stage"):
		return appliance.WithHint(err, "a stage has the name that its FROM line gives it, as in FROM node:24 AS production; docker-options:list shows what was asked for")
	case errors.Is(err, appliance.ErrInvalid):
		return appliance.WithHint(err, "correct "+spec.Dockerfile+"; docker build checks it on your own machine")
	case notFetched.MatchString(text):
		if syntax := syntaxOf(spec); syntax != "" && strings.Contains(text, syntax) {
			return appliance.WithHint(err, fmt.Sprintf(
				"the line \"# syntax=%s\" of %s has the machine fetch that image to read the rest: remove the line, most Dockerfiles do not need it", syntax, spec.Dockerfile))
		}
		return appliance.WithHint(err, "the machine cannot fetch that image: check its name, and that the machine reaches the registry (docker pull)")
	case m != nil:
		return appliance.WithHint(err, fmt.Sprintf("%s is not in the commit, or .dockerignore leaves it out: git ls-files shows what is committed", cmp.Or(m[1], m[2])))
	}
	return err
}

// syntaxOf returns the image that the Dockerfile's first line wants to be read
// by, or "".
func syntaxOf(spec appliance.BuildSpec) string {
	root, err := os.OpenRoot(spec.Dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	f, err := root.Open(spec.Dockerfile)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan() && strings.HasPrefix(lines.Text(), "#"); {
		if m := frontend.FindStringSubmatch(lines.Text()); m != nil {
			return m[1]
		}
	}
	return ""
}
