package builder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
)

//go:embed cnb
var cnbFiles embed.FS

// The labels of a builder image and of what is made with it
// (https://github.com/buildpacks/spec/blob/main/platform.md).
const (
	builderMetadata = "io.buildpacks.builder.metadata"
	lifecycleAPIs   = "io.buildpacks.lifecycle.apis"
	buildMetadata   = "io.buildpacks.build.metadata"
)

// platformAPIs are the versions of the platform interface that both our
// lifecycle and the phases' command lines here know, the best first.
var platformAPIs = []string{"0.12", "0.11", "0.10"}

var userID = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)

// cnbImages are what a build is made with, and onto.
type cnbImages struct {
	builder  appliance.Image
	run      appliance.Image // labelled as the app's, and so is what is exported onto it
	runName  string          // as the builder image calls it
	api      string
	uid, gid string
}

// images gets the builder image and the run image that it names.
func (p Pack) images(ctx context.Context, e appliance.Engine, req Request, name string) (b cnbImages, err error) {
	if b.builder, err = p.fetched(ctx, e, name, req); err != nil {
		return b, err
	}
	info, err := e.Inspect(ctx, b.builder)
	if err != nil {
		return b, err
	}
	if b.runName, err = runImage(info.Labels[builderMetadata]); err != nil {
		return b, appliance.WithHint(fmt.Errorf("%s is no builder image: %w", name, err), "builder:set chooses another, as in "+DefaultBuilderImage)
	}
	if b.api, err = commonAPI(info.Labels[lifecycleAPIs]); err != nil {
		return b, fmt.Errorf("builder image %s: %w", name, err)
	}
	for _, kv := range info.Env {
		switch key, value, _ := strings.Cut(kv, "="); key {
		case "CNB_USER_ID":
			b.uid = value
		case "CNB_GROUP_ID":
			b.gid = value
		}
	}
	if !userID.MatchString(b.uid) || !userID.MatchString(b.gid) {
		return b, fmt.Errorf("%w builder image %s: CNB_USER_ID and CNB_GROUP_ID name no unprivileged user", appliance.ErrInvalid, name)
	}
	run, err := p.fetched(ctx, e, b.runName, req)
	if err != nil {
		return b, err
	}
	b.run = appliance.Image(p.Instance + "/" + string(req.App) + ":cnb-run")
	return b, from(ctx, e, appliance.BuildSpec{App: req.App, Tag: b.run}, string(run))
}

// runImage returns the name of the run image in a builder's metadata.
func runImage(text string) (string, error) {
	if text == "" {
		return "", errors.New("it has no label " + builderMetadata)
	}
	var metadata struct {
		Images []struct{ Image string }
		Stack  struct{ RunImage struct{ Image string } }
	}
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		return "", fmt.Errorf("label %s: %w", builderMetadata, err)
	}
	name := metadata.Stack.RunImage.Image
	if len(metadata.Images) > 0 {
		name = cmp.Or(metadata.Images[0].Image, name)
	}
	if _, err := appliance.ParseImage(name); err != nil {
		return "", fmt.Errorf("label %s: run image: %w", builderMetadata, err)
	}
	return name, nil
}

// commonAPI returns the platform interface that the builder's lifecycle and
// ours both know.
func commonAPI(text string) (string, error) {
	if text == "" {
		return platformAPIs[0], nil
	}
	var apis struct {
		Platform struct{ Supported, Deprecated []string }
	}
	if err := json.Unmarshal([]byte(text), &apis); err != nil {
		return "", fmt.Errorf("label %s: %w", lifecycleAPIs, err)
	}
	theirs := slices.Concat(apis.Platform.Supported, apis.Platform.Deprecated)
	for _, ours := range platformAPIs {
		if slices.Contains(theirs, ours) {
			return ours, nil
		}
	}
	return "", fmt.Errorf("its lifecycle knows the platform interfaces %s, and none of %s",
		strings.Join(theirs, ", "), strings.Join(platformAPIs, ", "))
}

// fetched returns our own name for an image of a registry, which is fetched
// when it is used for the first time. It is fetched with logins that serve all
// apps, as all that name it share it.
func (p Pack) fetched(ctx context.Context, e appliance.Engine, name string, req Request) (appliance.Image, error) {
	if _, err := appliance.ParseImage(name); err != nil {
		return "", err
	}
	tag := appliance.Image(fmt.Sprintf("%s/cnb:%.12x", p.Instance, sha256.Sum256([]byte(name))))
	switch _, err := e.Inspect(ctx, tag); {
	case err == nil:
		return tag, nil
	case !errors.Is(err, appliance.ErrNotFound):
		return "", fmt.Errorf("look for %s: %w", name, err)
	}
	return tag, from(ctx, e, appliance.BuildSpec{Tag: tag, Logins: req.SharedLogins}, name)
}

// from makes an image that differs from another by nothing but being ours.
func from(ctx context.Context, e appliance.Engine, spec appliance.BuildSpec, name string) error {
	spec.Out = io.Discard
	_, err := buildFiles(ctx, e, spec, map[string]string{"Dockerfile": "FROM " + name + "\n"})
	return wrapf(err, "get the image %s", name)
}

// Lifecycle returns the image of the lifecycle, which is built when it is
// needed for the first time.
func (p Pack) Lifecycle(ctx context.Context, e appliance.Engine, out io.Writer) (appliance.Image, error) {
	files := map[string]string{}
	sum := sha256.New()
	for _, name := range []string{"Dockerfile", "analyze", "export"} {
		text, err := cnbFiles.ReadFile("cnb/" + name)
		if err != nil {
			return "", err
		}
		files[name] = string(text)
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	tag := appliance.Image(fmt.Sprintf("%s/lifecycle:%.12x", p.Instance, sum.Sum(nil)))
	switch _, err := e.Inspect(ctx, tag); {
	case err == nil:
		return tag, nil
	case !errors.Is(err, appliance.ErrNotFound):
		return "", fmt.Errorf("look for the lifecycle: %w", err)
	}
	stack, err := p.Stack(ctx, out)
	if err != nil {
		return "", err
	}
	if w, ok := out.(*progress.Writer); ok {
		w.Step("Building the lifecycle of Cloud Native Buildpacks: a minute or two, once")
	}
	spec := appliance.BuildSpec{Tag: tag, Args: map[string]string{"STACK": string(stack)}, Out: out}
	image, err := buildFiles(ctx, e, spec, files)
	return image, wrapf(err, "build the lifecycle")
}

// buildFiles builds an image of files that are in memory.
func buildFiles(ctx context.Context, e appliance.Engine, spec appliance.BuildSpec, files map[string]string) (appliance.Image, error) {
	dir, err := os.MkdirTemp("", "berth-build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(files[name]), 0o755); err != nil {
			return "", err
		}
		// Whatever umask the daemon was started with.
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			return "", err
		}
	}
	spec.Dir = dir
	return e.Build(ctx, spec)
}

func wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// result reads from the image's labels what can be started in it.
func (b cnbBuild) result(ctx context.Context, procfile appliance.Procfile) (Result, error) {
	info, err := b.engine.Inspect(ctx, b.req.Tag)
	if err != nil {
		return Result{}, fmt.Errorf("look at the image: %w", err)
	}
	var metadata struct {
		Processes []struct {
			Type    string
			Command json.RawMessage // a string, or a list of them, as the interface's version has it
			Args    []string
		}
	}
	if err := json.Unmarshal([]byte(info.Labels[buildMetadata]), &metadata); err != nil {
		return Result{}, fmt.Errorf("read the label %s of the image: %w", buildMetadata, err)
	}
	result := Result{Image: b.req.Tag, Procfile: appliance.Procfile{}, Services: map[string]appliance.Service{}, Port: DefaultPort}
	for _, process := range metadata.Processes {
		if !processType.MatchString(process.Type) {
			continue // it could not be scaled or named
		}
		var words []string
		if json.Unmarshal(process.Command, &words) != nil {
			words = []string{strings.Trim(string(process.Command), `"`)}
		}
		result.Procfile[process.Type] = strings.Join(append(words, process.Args...), " ")
		result.Services[process.Type] = appliance.Service{Command: []string{"/cnb/process/" + process.Type}}
	}
	// A Procfile counts also where no buildpack of the builder reads it.
	for typ, command := range procfile {
		if _, known := result.Services[typ]; !known {
			result.Procfile[typ] = command
			result.Services[typ] = appliance.Service{Command: []string{Launcher, command}}
		}
	}
	if len(result.Procfile) == 0 {
		return Result{}, appliance.WithHint(errors.New("built, but nothing says how to start it"),
			"add a Procfile to the root of the repository with a line as in web: ./run.sh")
	}
	return result, nil
}
