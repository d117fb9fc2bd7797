package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

func (r releases) info(ctx context.Context, c *Call) error {
	v, err := version(c, 1)
	if err != nil {
		return err
	}
	release, live, err := r.Release(ctx, c.App, v)
	if errors.Is(err, pipeline.ErrNoRelease) {
		return c.List("", struct{}{}, []string{fmt.Sprintf("Nothing has been deployed of %s yet", c.App)})
	}
	if err != nil {
		return err
	}
	image := "here"
	if _, err := r.Engine.Inspect(ctx, release.Image); errors.Is(err, appliance.ErrNotFound) {
		image = "gone: a rollback builds it again"
	} else if err != nil {
		image = "unknown: " + err.Error()
	}
	var pushed []string
	for _, at := range release.Pushed {
		pushed = append(pushed, at.String())
	}
	restores := ""
	if release.Restores != 0 {
		restores = fmt.Sprintf("v%d", release.Restores)
	}
	return c.Report(fmt.Sprintf("Release v%d of %s", release.Version, c.App), properties{
		{"version", strconv.Itoa(release.Version)},
		{"status", newReleaseRow(release, live).status()},
		{"reason", release.Reason},
		{"restores", restores},
		{"actor", release.Actor},
		{"created-at", release.CreatedAt.Format(time.RFC3339)},
		{"commit", release.Commit},
		{"builder", release.Builder},
		{"stack", string(release.Stack)},
		{"image", string(release.Image)},
		{"image-state", image},
		{"pushed", strings.Join(pushed, " ")},
		{"processes", strings.Join(slices.Sorted(maps.Keys(release.Procfile)), " ")},
		{"formation", formationText(release.Formation)},
		{"port", strconv.Itoa(release.WebPort())},
		{"config-keys", strings.Join(slices.Sorted(maps.Keys(release.Env)), " ")},
		{"app-json", strings.Join(slices.Sorted(maps.Keys(appJSONParts(release.AppJSON))), " ")},
	})
}

// formationText writes a formation as ps:scale takes it: "web=2 worker=1".
func formationText(f appliance.Formation) string {
	var list []string
	for _, typ := range slices.Sorted(maps.Keys(f)) {
		list = append(list, fmt.Sprintf("%s=%d", typ, f[typ]))
	}
	return strings.Join(list, " ")
}

// appJSONParts returns the parts that an app.json has, by name, each in a form
// that can be compared.
func appJSONParts(a appliance.AppJSON) map[string]string {
	parts := map[string]string{}
	for _, part := range []struct {
		name  string
		there bool
		value any
	}{
		{"buildpacks", len(a.Buildpacks) > 0, a.Buildpacks},
		{"stack", a.Stack != "", a.Stack},
		{"env", len(a.Env) > 0, a.Env},
		{"formation", len(a.Formation) > 0, a.Formation},
		{"healthchecks", len(a.Healthchecks) > 0, a.Healthchecks},
		{"cron", len(a.Cron) > 0, a.Cron},
		{"scripts", a.Scripts != appliance.Scripts{}, a.Scripts},
	} {
		if part.there {
			parts[part.name] = inJSON(part.value)
		}
	}
	return parts
}
