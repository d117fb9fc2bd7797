package pipeline

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// Settings of an app about its builds. What is a list is kept as JSON.
const (
	BuilderSetting      = "builder"          // the name of the builder
	BuildDirSetting     = "build-dir"        // the directory of the source that is the app's
	DockerfileSetting   = "dockerfile-path"  // relative to it
	ProjectTOMLSetting  = "projecttoml-path" // relative to it
	BuildpacksSetting   = "buildpacks"       // a list
	BuilderImageSetting = "builder-image"    // for Cloud Native Buildpacks
	BuildOptionsSetting = "docker-options-build"
)

// buildSettings returns what the app was told about its builds.
func (r *run) buildSettings(ctx context.Context) (s builder.Settings, err error) {
	for name, value := range map[string]*string{
		BuilderSetting:      &s.Selected,
		BuildDirSetting:     &s.Dir,
		DockerfileSetting:   &s.Dockerfile,
		ProjectTOMLSetting:  &s.ProjectTOML,
		BuilderImageSetting: &s.BuilderImage,
	} {
		if *value, err = r.Store.AppSetting(ctx, r.app, name); err != nil {
			return s, err
		}
	}
	for name, list := range map[string]*[]string{
		BuildpacksSetting:   &s.Buildpacks,
		BuildOptionsSetting: &s.Options,
	} {
		if *list, err = r.List(ctx, r.app, name); err != nil {
			return s, err
		}
	}
	allowed, err := r.Property(ctx, r.app, BuildpacksAllowedSetting)
	if err != nil {
		return s, err
	}
	s.NoBuildpacks = allowed == "false"
	if s.Start, err = r.StartCommands(ctx, r.app); err != nil {
		return s, err
	}
	env, err := r.config(ctx)
	s.BuildpackURL = env["BUILDPACK_URL"]
	return s, err
}

// List returns a setting of an app that is a list, which may be empty.
func (p *Pipeline) List(ctx context.Context, app appliance.AppName, name string) ([]string, error) {
	list := []string{}
	err := p.kept(ctx, app, name, &list)
	return list, err
}

// KeepList changes a setting of an app that is a list; an empty one takes it
// back.
func (p *Pipeline) KeepList(ctx context.Context, app appliance.AppName, name string, list []string) error {
	if len(list) == 0 {
		return p.Store.SetApp(ctx, app, name, "")
	}
	return p.Keep(ctx, app, name, list)
}

// kept reads a setting of an app, or, for "", of the machine.
func (p *Pipeline) kept(ctx context.Context, app appliance.AppName, name string, value any) error {
	text, err := p.Store.Setting(ctx, name)
	if app != "" {
		text, err = p.Store.AppSetting(ctx, app, name)
	}
	if err != nil || text == "" {
		return err
	}
	if err := json.Unmarshal([]byte(text), value); err != nil {
		return fmt.Errorf("setting %s is damaged", name) // the error could quote a secret
	}
	return nil
}

// Kept reads what is kept of an app, or, for "", of the machine.
func Kept[T any](ctx context.Context, p *Pipeline, app appliance.AppName, name string) (value T, err error) {
	err = p.kept(ctx, app, name, &value)
	return value, err
}

// Keep changes what is kept.
func (p *Pipeline) Keep(ctx context.Context, app appliance.AppName, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if app == "" {
		return p.Store.Set(ctx, name, string(text))
	}
	return p.Store.SetApp(ctx, app, name, string(text))
}
