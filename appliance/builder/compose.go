package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Compose builds source that brings a compose file: each service becomes a
// process type.
type Compose struct{}

// Name is "compose".
func (Compose) Name() string { return "compose" }

// Detect wants source with a compose file in its root.
func (Compose) Detect(source fs.FS, _ Settings) (string, bool) {
	name, ok := findCompose(source)
	return name + " found", ok
}

// Build makes the images of all services. It says once what of the file has no
// effect.
func (Compose) Build(ctx context.Context, e appliance.Engine, req Request) (Result, error) {
	source, err := os.OpenRoot(req.Source)
	if err != nil {
		return Result{}, err
	}
	defer source.Close()
	file, err := readCompose(source.FS(), req)
	if err != nil {
		return Result{}, err
	}
	for _, line := range file.summary() {
		fmt.Fprintln(req.Out, line)
	}
	result := Result{Image: req.Tag, Procfile: appliance.Procfile{}, Services: map[string]appliance.Service{}}
	made := map[string]image{} // by what it was built of
	for _, s := range file.services {
		tag := req.Tag
		if s.name != file.web {
			tag += appliance.Image("-" + strings.ToLower(s.name))
		}
		img, err := req.service(ctx, e, source, s, tag, made)
		if err != nil {
			return Result{}, fmt.Errorf("service %s: %w", s.name, err)
		}
		service := appliance.Service{
			Image: img.name, Command: s.whole(img.ImageInfo), Env: s.env, Mounts: s.mounts, Aliases: []string{s.name}, After: file.after(s),
			Port: lowest(s.published, lowest(s.exposed, lowest(img.Ports, 0))),
		}
		if service.Command == nil && !runs(img.ImageInfo) {
			return Result{}, appliance.WithHint(fmt.Errorf("service %s: neither its image nor %s says what to run", s.name, file.name),
				"give the service a command, or its Dockerfile CMD or ENTRYPOINT")
		}
		typ := file.typ(s.name)
		if typ == "web" {
			result.Image, result.Port = img.name, cmp.Or(service.Port, DefaultPort)
		}
		result.Procfile[typ], result.Services[typ] = "", service
	}
	return result, nil
}

// An image is one that was built.
type image struct {
	appliance.ImageInfo
	name appliance.Image
}

// service makes the image of one service. One that was pulled is built, too,
// of nothing but itself, so that it is the app's, and kept as long as the
// releases that run it.
func (req Request) service(ctx context.Context, e appliance.Engine, source *os.Root, s composeService, tag appliance.Image, made map[string]image) (image, error) {
	from := s.image
	key := from
	if s.build != nil {
		key = s.build.key()
	}
	key += "\n" + strings.Join(s.lines, "\n")
	if img, ok := made[key]; ok {
		return img, nil
	}
	img := image{name: tag}
	if s.build != nil {
		spec := appliance.BuildSpec{
			Tag: tag, Dir: filepath.Join(req.Source, s.build.context), Dockerfile: s.build.dockerfile,
		}
		if err := checkContext(source, s.build); err != nil {
			return img, err
		}
		if err := req.apply(&spec); err != nil {
			return img, err
		}
		if s.build.target != "" {
			spec.Target = s.build.target
		}
		for name, value := range s.build.args {
			put(&spec.Args, name, value)
		}
		req.Step("Building service %s", s.name)
		var err error
		if img.ImageInfo, err = req.build(ctx, e, spec); err != nil {
			return img, err
		}
		from = string(tag)
	}
	if s.build == nil || len(s.lines) > 0 {
		var err error
		if img.ImageInfo, err = req.onTop(ctx, e, from, s.lines, tag); err != nil {
			return img, err
		}
	}
	made[key] = img
	return img, nil
}

// onTop builds an image of another one and some lines of a Dockerfile.
func (req Request) onTop(ctx context.Context, e appliance.Engine, from string, lines []string, tag appliance.Image) (appliance.ImageInfo, error) {
	dir, err := os.MkdirTemp("", "berth-compose-")
	if err != nil {
		return appliance.ImageInfo{}, err
	}
	defer os.RemoveAll(dir)
	text := strings.Join(append([]string{"FROM " + from}, lines...), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		return appliance.ImageInfo{}, err
	}
	return req.build(ctx, e, appliance.BuildSpec{Tag: tag, Dir: dir, Dockerfile: "Dockerfile"})
}

// checkContext sees to it that a build reads nothing but the source, and says
// what is missing by its name in the repository.
func checkContext(source *os.Root, b *composeBuild) error {
	within, err := source.OpenRoot(b.context)
	if err != nil {
		return appliance.WithHint(fmt.Errorf("build context %s: %w", b.context, reason(err)), "it must be a directory of the repository")
	}
	defer within.Close()
	if !isFile(within.FS(), b.dockerfile) {
		return appliance.WithHint(fmt.Errorf("there is no file %s in the commit", filepath.Join(b.context, b.dockerfile)),
			"commit it, or correct build.dockerfile, which is relative to build.context")
	}
	return nil
}

// reason is err without the operation and the path, which may be one of the
// machine.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// whole returns the whole command of a service: Compose, like Docker, gives a
// command as arguments to the image's entrypoint. It is nil for the image's
// own.
func (s composeService) whole(info appliance.ImageInfo) []string {
	switch {
	case s.entrypoint != nil:
		// The image's own command was meant for its own entrypoint.
		return noneIfEmpty(slices.Concat(s.entrypoint, s.command))
	case s.command != nil:
		return noneIfEmpty(slices.Concat(info.Entrypoint, s.command))
	}
	return nil
}

func noneIfEmpty(command []string) []string {
	if len(command) == 0 {
		return nil
	}
	return command
}

// typ returns the process type that a service becomes.
func (f *composeFile) typ(service string) string {
	if service == f.web {
		return "web"
	}
	return service
}

// after returns the process types that a service is started after.
func (f *composeFile) after(s composeService) (types []string) {
	for _, name := range s.after {
		if slices.ContainsFunc(f.services, func(o composeService) bool { return o.name == name }) {
			types = append(types, f.typ(name))
		}
	}
	return types
}
