package command

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type ps struct {
	*pipeline.Pipeline
}

// Processes returns the commands that look after an app's processes.
func Processes(p *pipeline.Pipeline) []Command {
	s := ps{p}
	return []Command{
		{Name: "ps", Args: "<app>", Short: "show the processes of an app", For: Viewer, Reads: true, Run: s.report, Flags: listing},
		{Name: "ps:report", Args: "<app>", Short: "show the processes of an app", For: Viewer, Reads: true, Run: s.report, Flags: listing},
		{Name: "ps:restart", Args: "<app>", Short: "start an app's processes anew", For: Deployer, Run: s.restart},
		{Name: "ps:scale", Args: "<app> [<type=count>...]", Short: "set how many processes run, or show it", For: Deployer, Run: s.scale},
		{Name: "releases", Args: "<app>", Short: "list the releases of an app", For: Viewer, Reads: true, Run: s.releases, Flags: listing},
	}
}

// A processRow is a process as people and scripts are shown it.
type processRow struct {
	Name     string    `json:"name"`
	Release  int       `json:"release"`
	Status   string    `json:"status"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`
}

func (s ps) report(ctx context.Context, c *Call) error {
	app, err := s.Store.App(ctx, c.App)
	if err != nil {
		return err
	}
	processes, err := s.Engine.Processes(ctx, c.App)
	if err != nil {
		return err
	}
	list, rows := []processRow{}, []string{}
	for _, p := range processes {
		row := processRow{fmt.Sprintf("%s.%d", p.Type, p.Index), p.Release, status(p, app.Live), p.Restarts, p.Started}
		list = append(list, row)
		rows = append(rows, fmt.Sprintf("%-20s v%-5d %-28s restarts %d", row.Name, row.Release, row.Status, row.Restarts))
	}
	return c.List(string(c.App)+" processes", list, rows)
}

func status(p appliance.Process, live appliance.Generation) string {
	switch {
	case p.Restarting:
		return "restarting"
	case p.Running && p.Generation != live:
		return "running, not live"
	case p.Running:
		return "running"
	case p.OOM:
		return "out of memory"
	default:
		return fmt.Sprintf("exited with %d", p.ExitStatus)
	}
}

func (s ps) restart(ctx context.Context, c *Call) error {
	if err := s.deployed(ctx, c.App); err != nil {
		return err
	}
	return s.Restart(ctx, c.App, c.Stdout)
}

// deployed returns an error for an app that nothing has been deployed of.
func (s ps) deployed(ctx context.Context, name appliance.AppName) error {
	app, err := s.Store.App(ctx, name)
	if err == nil && app.LiveRelease == 0 {
		return appliance.WithHint(fmt.Errorf("app %s has not been deployed", name), "deploy it with git push")
	}
	return err
}

var processType = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`) // as in a Procfile

func (s ps) scale(ctx context.Context, c *Call) error {
	app, err := s.Store.App(ctx, c.App)
	if err != nil {
		return err
	}
	if len(c.Args) == 1 {
		return s.showScale(ctx, c, app)
	}
	change := appliance.Formation{}
	for _, arg := range c.Args[1:] {
		typ, count, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n > appliance.MaxProcesses || !processType.MatchString(typ) {
			return appliance.WithHint(fmt.Errorf("%w scale %.60q", appliance.ErrInvalid, arg), fmt.Sprintf("write it as type=count with a count from 0 to %d, as in web=2", appliance.MaxProcesses))
		}
		change[typ] = n
	}
	if app.LiveRelease != 0 {
		live, err := s.Store.Release(ctx, c.App, app.LiveRelease)
		if err != nil {
			return err
		}
		for _, typ := range slices.Sorted(maps.Keys(change)) {
			if err := canScale(live, typ); err != nil {
				return err
			}
		}
	}
	if err := s.Store.Scale(ctx, c.App, change); err != nil {
		return err
	}
	for _, typ := range slices.Sorted(maps.Keys(change)) {
		fmt.Fprintf(c.Stdout, "-----> Scaling %s to %d\n", typ, change[typ])
	}
	return s.Restart(ctx, c.App, c.Stdout)
}

// canScale returns an error for a process type of which a release does not
// leave to people how many run.
func canScale(live appliance.Release, typ string) error {
	formation := pipeline.Formation(live, nil)
	_, found := formation[typ]
	switch {
	case typ == pipeline.Release:
		return appliance.WithHint(fmt.Errorf("%w process type: release runs once before each deploy, and is never scaled", appliance.ErrInvalid),
			"give what is to keep running another name in the Procfile")
	case live.AppJSON.Formation[typ].Quantity != nil:
		return appliance.WithHint(fmt.Errorf("%s of %s cannot be scaled: its app.json says how many run", typ, live.App),
			fmt.Sprintf("change formation.%s.quantity in app.json, or remove it, and push", typ))
	case !found:
		return appliance.WithHint(fmt.Errorf("process type %.60q of %s %w", typ, live.App, appliance.ErrNotFound),
			"v"+strconv.Itoa(live.Version)+" has "+strings.Join(slices.Sorted(maps.Keys(formation)), ", "))
	}
	return nil
}

// showScale shows how many of each type run, or will when there is a deploy.
func (s ps) showScale(ctx context.Context, c *Call, app appliance.App) error {
	formation, err := s.Store.Formation(ctx, c.App)
	if err != nil {
		return err
	}
	if app.LiveRelease != 0 {
		live, err := s.Store.Release(ctx, c.App, app.LiveRelease)
		if err != nil {
			return err
		}
		maps.Copy(formation, pipeline.Formation(live, formation))
	} else if _, ok := formation[pipeline.Web]; !ok {
		formation[pipeline.Web] = 1
	}
	for _, typ := range slices.Sorted(maps.Keys(formation)) {
		fmt.Fprintf(c.Stdout, "%s: %d\n", typ, formation[typ])
	}
	return nil
}

// A releaseRow is a release as people and scripts are shown it: without the
// environment's values.
type releaseRow struct {
	Version int       `json:"version"`
	Live    bool      `json:"live"`
	Reason  string    `json:"reason"`
	Actor   string    `json:"actor"`
	Image   string    `json:"image"`
	Stack   string    `json:"stack,omitempty"`
	At      time.Time `json:"at"`
}

func (s ps) releases(ctx context.Context, c *Call) error {
	app, err := s.Store.App(ctx, c.App)
	if err != nil {
		return err
	}
	releases, err := s.Store.Releases(ctx, c.App, -1)
	if err != nil {
		return err
	}
	list, rows := []releaseRow{}, []string{}
	for _, r := range releases {
		row := releaseRow{r.Version, r.Version == app.LiveRelease, r.Reason, r.Actor, string(r.Image), string(r.Stack), r.CreatedAt}
		live := ""
		if row.Live {
			live = "live"
		}
		list = append(list, row)
		rows = append(rows, fmt.Sprintf("v%-5d %-5s %-40s %-20s %s", row.Version, live, row.Reason, row.Actor, row.At.Format(time.RFC3339)))
	}
	return c.List(string(c.App)+" releases", list, rows)
}
