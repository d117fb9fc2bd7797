package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// Release is the process type that runs once, before a deploy, and is never
// scaled.
const Release = "release"

// scriptTime is how long a script may take, as Heroku's release phase.
const scriptTime = time.Hour

var errScriptTime = fmt.Errorf("it was ended: it took longer than %s", scriptTime)

// A script is a command that runs to its end around a deploy, in the new
// image and with the app's environment.
type script struct {
	name    string // "predeploy"
	from    string // the file that it is written in
	command string
	commit  appliance.Image // what to name the image of what it leaves; "" if that is to be lost
}

// prepare runs what has to be done before a new image can be deployed, and
// notes what is to be done after. An error means that the old release stays.
func (r *run) prepare(ctx context.Context, release appliance.Release) (appliance.Release, error) {
	types := processTypes(release)
	for _, typ := range slices.Sorted(maps.Keys(release.AppJSON.Formation)) {
		if wanted := release.AppJSON.Formation[typ].Quantity; wanted != nil && *wanted > 0 && !slices.Contains(types, typ) {
			r.progress.Warn("app.json wants %d of %s, but there is no such process type", *wanted, typ)
		}
	}
	release, err := r.predeploy(ctx, release)
	if err != nil {
		return release, err
	}
	if command := release.Procfile[Release]; command != "" {
		if err := r.runScript(ctx, release, script{Release, "Procfile", command, ""}); err != nil {
			return release, err
		}
	}
	app, err := r.Store.App(ctx, r.app)
	if err != nil {
		return release, err
	}
	scripts := release.AppJSON.Scripts
	if scripts.FirstPostdeploy != "" && app.LiveRelease == 0 {
		r.afterwards = append(r.afterwards, script{"postdeploy of the first deploy", "app.json", scripts.FirstPostdeploy, ""})
	}
	if scripts.Postdeploy != "" {
		r.afterwards = append(r.afterwards, script{"postdeploy", "app.json", scripts.Postdeploy, ""})
	}
	return release, nil
}

// predeploy runs the script whose work is part of the image.
func (r *run) predeploy(ctx context.Context, release appliance.Release) (appliance.Release, error) {
	command := release.AppJSON.Scripts.Predeploy
	if command == "" {
		return release, nil
	}
	tag := r.tag(release.Commit)
	if err := r.runScript(ctx, release, script{"predeploy", "app.json", command, tag}); err != nil {
		return release, err
	}
	release.Image = tag
	return release, nil
}

// finish runs what is to be done when the new release serves. It serves
// whatever becomes of that.
func (r *run) finish(ctx context.Context, release appliance.Release) {
	for _, s := range r.afterwards {
		if err := r.runScript(ctx, release, s); err != nil {
			r.Log.WarnContext(ctx, "script", "app", r.app, "script", s.name, "err", err)
			r.progress.Warn("%v", err)
			r.progress.Detail("%s is deployed all the same; %s", r.app, appliance.HintOf(err))
		}
	}
}

// runScript runs a script to its end, and prints what it prints.
func (r *run) runScript(ctx context.Context, release appliance.Release, s script) error {
	r.progress.Step("Running %s (%s): %s", s.name, s.from, inOneLine(s.command))
	limited, cancel := context.WithTimeoutCause(ctx, scriptTime, errScriptTime)
	defer cancel()
	start := time.Now()
	process, _, _ := strings.Cut(s.name, " ")
	kept := r.Logs.Writer(r.handle(r.app), process, release.Version)
	defer kept.Close()
	spec := appliance.RunSpec{
		App: r.app, Image: release.Image, Command: shellCommand(release, s.command), Env: environ(release.Env),
		Out: io.MultiWriter(kept, r.progress),
	}
	spec, err := r.Contain(ctx, spec, "")
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if s.commit != "" {
		spec.Commit = &appliance.CommitSpec{Tag: s.commit}
	}
	result, err := outOfMemory(r.Engine.Run(limited, spec))
	hint := "the lines above are the last it printed; correct it in " + s.from + ", or what it needs, and push again"
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errScriptTime):
		return appliance.WithHint(fmt.Errorf("%s: %w", s.name, errScriptTime), "let the app do in the background what takes so long")
	case err != nil:
		return fmt.Errorf("%s: %w", s.name, err)
	case result.OOM:
		return appliance.WithHint(fmt.Errorf("%s was killed: %s", s.name, result.OutOfMemory()), tooLittle(r.app, result.Limit, ""))
	case result.Status == appliance.StatusNotFound:
		hint = "status 127 means that a command was not found: check " + s.from + ", and that the build installs it"
	case result.Status == appliance.StatusNotExecutable:
		hint = "status 126 means that a command cannot be executed: check its mode (git update-index --chmod=+x) and its first line"
	}
	if result.Status != 0 {
		return appliance.WithHint(fmt.Errorf("%s exited with status %d", s.name, result.Status), hint)
	}
	r.progress.Detail("(%s)", seconds(time.Since(start)))
	return nil
}

// shellCommand returns how to run a command line in a release's image, with
// all that its processes find there.
func shellCommand(release appliance.Release, command string) []string {
	switch {
	case release.Stack != "":
		return []string{"/exec", "bash", "-c", command}
	case release.Builder == (builder.Pack{}).Name():
		return []string{builder.Launcher, command} // which gives it to a shell
	}
	return []string{"/bin/sh", "-c", command}
}

// inOneLine shortens a command that a repository brings for a headline.
func inOneLine(command string) string {
	line := strings.Join(strings.FieldsFunc(command, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(line); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return line
}
