package builder_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

func TestBuildpacksBuildNothingWhereTheyAreNotAllowed(t *testing.T) {
	node, dockerfile := fstest.MapFS{"package.json": {}}, fstest.MapFS{"package.json": {}, "Dockerfile": {}}
	all := []builder.Builder{builder.Pack{}, builder.Dockerfile{}, builder.Compose{}, builder.Buildpacks{}}
	for name, tt := range map[string]struct {
		source   fstest.MapFS
		settings builder.Settings
		want     string // the builder; "" for an error
	}{
		"nothing else wants it":  {node, builder.Settings{NoBuildpacks: true}, ""},
		"a Dockerfile":           {dockerfile, builder.Settings{NoBuildpacks: true}, "dockerfile"},
		"selected":               {dockerfile, builder.Settings{NoBuildpacks: true, Selected: "buildpacks"}, ""},
		"chosen":                 {dockerfile, builder.Settings{NoBuildpacks: true, BuildpackURL: "heroku/nodejs"}, ""},
		"another is selected":    {node, builder.Settings{NoBuildpacks: true, Selected: "pack"}, "pack"},
		"allowed":                {node, builder.Settings{}, "buildpacks"},
		"allowed, beside others": {dockerfile, builder.Settings{BuildpackURL: "heroku/nodejs"}, "buildpacks"},
	} {
		b, _, err := builder.For(tt.source, tt.settings, all...)

		switch {
		case tt.want == "" && (err == nil || !strings.Contains(err.Error(), "not allowed") || !strings.Contains(appliance.HintOf(err), "builder-herokuish:set")):
			t.Errorf("%s: %v (%s), want that they are not allowed", name, err, appliance.HintOf(err))
		case tt.want != "" && (err != nil || b.Name() != tt.want):
			t.Errorf("%s: %v, %v, want %s", name, b, err, tt.want)
		}
	}
}
