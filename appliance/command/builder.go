package command

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type builderSettings struct {
	*pipeline.Pipeline
}

// Builder returns the commands about how an app is built.
func Builder(p *pipeline.Pipeline) []Command {
	b := builderSettings{p}
	set := func(known ...string) func(context.Context, *Call) error {
		return func(ctx context.Context, c *Call) error { return b.set(ctx, c, known) }
	}
	report := func(name string, known ...string) func(context.Context, *Call) error {
		return func(ctx context.Context, c *Call) error { return b.report(ctx, c, name, known) }
	}
	all := []string{"selected", "build-dir", "dockerfile-path", "projecttoml-path", "builder-image"}
	return append([]Command{
		{Name: "builder:set", Args: "<app> <property> [<value>]", Short: "set " + strings.Join(all, ", ") + "; no value takes it back", For: Deployer, Run: set(all...)},
		{Name: "builder:report", Args: "<app>", Short: "show how an app is built", For: Viewer, Reads: true, Flags: listing, Run: report("builder", all...)},
		{Name: "builder-dockerfile:set", Args: "<app> <property> [<value>]", Short: "set dockerfile-path; no value takes it back", For: Deployer, Run: set("dockerfile-path")},
		{Name: "builder-dockerfile:report", Args: "<app>", Short: "show where the Dockerfile is", For: Viewer, Reads: true, Flags: listing, Run: report("builder-dockerfile", "dockerfile-path")},
		{Name: "builder-pack:set", Args: "<app> <property> [<value>]", Short: "set projecttoml-path or builder-image; no value takes it back", For: Deployer, Run: set("projecttoml-path", "builder-image")},
		{Name: "builder-pack:report", Args: "<app>", Short: "show what Cloud Native Buildpacks are told", For: Viewer, Reads: true, Flags: listing, Run: report("builder-pack", "projecttoml-path", "builder-image")},
	}, propertyGroup{p, "builder-herokuish", "whether an app may be built with buildpacks", []property{
		{"allowed", pipeline.BuildpacksAllowedSetting, parseTrueFalse, "the next build"},
	}}.commands()...)
}

// builderProperties are the settings behind the properties.
var builderProperties = map[string]string{
	"selected":         pipeline.BuilderSetting,
	"build-dir":        pipeline.BuildDirSetting,
	"dockerfile-path":  pipeline.DockerfileSetting,
	"projecttoml-path": pipeline.ProjectTOMLSetting,
	"builder-image":    pipeline.BuilderImageSetting,
}

func (b builderSettings) set(ctx context.Context, c *Call, known []string) error {
	property, value := c.Args[1], strings.Join(c.Args[2:], "")
	if !slices.Contains(known, property) {
		return unknownProperty(property, known...)
	}
	value, err := b.parse(property, value)
	if err != nil {
		return err
	}
	if err := b.Store.SetApp(ctx, c.App, builderProperties[property], value); err != nil {
		return err
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", property, c.App)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s of %s to %s\n       the next push is built so\n", property, c.App, value)
	return nil
}

// parse checks a property's value, and returns it as it is kept.
func (b builderSettings) parse(property, value string) (string, error) {
	switch {
	case value == "":
		return "", nil
	case property == "selected":
		return b.parseName(value)
	case property == "builder-image":
		if _, err := appliance.ParseImage(value); err != nil {
			return "", err
		}
		return value, nil
	}
	return parseSourcePath(property, value)
}

// parseName checks the name of a builder. Dokku calls buildpacks by the name of
// the image that it runs them in.
func (b builderSettings) parseName(name string) (string, error) {
	if name == "herokuish" {
		name = "buildpacks"
	}
	var names []string
	for _, known := range b.Builders {
		if known.Name() == name {
			return name, nil
		}
		names = append(names, known.Name())
	}
	return "", appliance.WithHint(fmt.Errorf("builder %.40q %w", name, appliance.ErrNotFound), "there are: "+strings.Join(names, ", "))
}

// maxSourcePath is longer than what people have in repositories.
const maxSourcePath = 250

// parseSourcePath checks the path of something in the source.
func parseSourcePath(property, value string) (string, error) {
	clean := path.Clean(value)
	if !filepath.IsLocal(value) || len(value) > maxSourcePath || strings.ContainsFunc(value, func(c rune) bool { return c == '\\' || !unicode.IsPrint(c) }) {
		return "", appliance.WithHint(fmt.Errorf("%w %s %.80q", appliance.ErrInvalid, property, value),
			"give a path within the repository, without .. and not beginning with a slash, as in services/web")
	}
	if clean == "." {
		clean = ""
	}
	return clean, nil
}

func (b builderSettings) report(ctx context.Context, c *Call, name string, known []string) error {
	var rows properties
	for _, property := range known {
		value, err := b.Store.AppSetting(ctx, c.App, builderProperties[property])
		if err != nil {
			return err
		}
		rows = append(rows, [2]string{name + "-" + property, value})
	}
	return c.Report(string(c.App)+" "+name+" information", rows)
}
