package command

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type releases struct {
	*pipeline.Pipeline
}

// Releases returns the commands about what was released, and the way back.
func Releases(p *pipeline.Pipeline) []Command {
	r := releases{p}
	return []Command{
		{Name: "releases", Args: "<app>", Short: "list the releases of an app", For: Viewer, Reads: true, Run: r.list, Flags: listing},
		{Name: "releases:list", Args: "<app>", Short: "list the releases of an app", For: Viewer, Reads: true, Run: r.list, Flags: listing},
		{Name: "releases:info", Args: "<app> [<release>]", Short: "show a release, or the live one", For: Viewer, Reads: true, Run: r.info, Flags: listing},
		{Name: "releases:diff", Args: "<app> [<release> <other-release>]", Short: "show what changed between two releases, or since the one to go back to", For: Viewer, Reads: true, Run: r.diff, Flags: listing},
		{Name: "releases:rollback", Args: "<app> [<release>]", Short: "go back to a release, or to the last that was live before", For: Deployer, Run: r.rollback},
		{Name: "rollback", Args: "<app> [<release>]", Short: "go back to a release, or to the last that was live before", For: Deployer, Run: r.rollback},
		{Name: "releases:prune", Args: "<app>", Short: "forget the releases that are too many to keep, and remove their images", For: Deployer, Run: r.prune},
		{Name: "releases:set", Args: "<app> <property> [<value>]", Short: "set keep, the number of releases to keep; no value takes it back", For: Deployer, Global: true, Run: r.set},
		{Name: "releases:report", Args: "<app>", Short: "show which release is live, and how many are kept", For: Viewer, Global: true, Reads: true, Run: r.report, Flags: listing},
	}
}

// version returns the version that an argument is: v7, or 7. If it is missing,
// that is 0.
func version(c *Call, n int) (int, error) {
	if len(c.Args) <= n {
		return 0, nil
	}
	v, err := strconv.ParseUint(strings.TrimPrefix(c.Args[n], "v"), 10, 31)
	if err != nil || v == 0 {
		return 0, appliance.WithHint(fmt.Errorf("%w release %.40q", appliance.ErrInvalid, c.Args[n]), "give its number, as v12: releases "+string(c.App)+" has them")
	}
	return int(v), nil
}

// A releaseRow is a release as people and scripts are shown it: without the
// environment's values.
type releaseRow struct {
	Version  int       `json:"version"`
	Status   string    `json:"status"`
	Live     bool      `json:"live"`
	Reason   string    `json:"reason"`
	Commit   string    `json:"commit"`
	Actor    string    `json:"actor"`
	Image    string    `json:"image"`
	Builder  string    `json:"builder"`
	Stack    string    `json:"stack,omitempty"`
	Restores int       `json:"restores,omitempty"` // the version that a rollback went back to
	At       time.Time `json:"at"`
}

func newReleaseRow(r appliance.Release, live int) releaseRow {
	return releaseRow{
		Version: r.Version, Status: string(r.Status), Live: r.Version == live, Reason: r.Reason, Commit: r.Commit, Actor: r.Actor,
		Image: string(r.Image), Builder: r.Builder, Stack: string(r.Stack), Restores: r.Restores, At: r.CreatedAt,
	}
}

// status is how a release stands, in one word.
func (r releaseRow) status() string {
	if r.Live {
		return "live"
	}
	return r.Status
}

func (r releases) list(ctx context.Context, c *Call) error {
	app, err := r.Store.App(ctx, c.App)
	if err != nil {
		return err
	}
	found, err := r.Store.Releases(ctx, c.App, -1)
	if err != nil {
		return err
	}
	if len(found) == 0 && c.text() {
		fmt.Fprintf(c.Stderr, " !     Nothing has been released of %s yet: git push berth main\n", c.App)
		return nil
	}
	list := []releaseRow{}
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	if !c.Bool("quiet") {
		fmt.Fprintln(w, "Release\tStatus\tReason\tCommit\tActor\tCreated")
	}
	for _, release := range found {
		row := newReleaseRow(release, app.LiveRelease)
		list = append(list, row)
		fmt.Fprintf(w, "v%d\t%s\t%s\t%.7s\t%s\t%s\n", row.Version, row.status(), row.Reason, row.Commit, row.Actor, row.At.Format(time.RFC3339))
	}
	w.Flush() // to memory
	return c.List(string(c.App)+" releases", list, strings.Split(strings.TrimRight(text.String(), "\n"), "\n"))
}

func (r releases) rollback(ctx context.Context, c *Call) error {
	v, err := version(c, 1)
	if err != nil {
		return err
	}
	return r.Rollback(ctx, c.App, v, c.Stdout)
}

func (r releases) prune(ctx context.Context, c *Call) error {
	return r.PruneReleases(ctx, c.App, c.Stdout)
}
