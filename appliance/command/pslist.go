package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// A processRow is a process as people and scripts are shown it.
type processRow struct {
	Name     string    `json:"name"`
	Release  int       `json:"release"`
	Status   string    `json:"status"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`
	Ending   string    `json:"ending,omitempty"` // how it has ended last, if it did so by itself
	Row      int       `json:"row,omitempty"`    // how often in a row
}

func (s ps) list(ctx context.Context, c *Call) error {
	app, processes, crashes, err := s.look(ctx, c.App)
	if err != nil {
		return err
	}
	list, rows := []processRow{}, []string{}
	for _, p := range processes {
		crash := crashes[p.ID]
		row := processRow{p.Name(), p.Release, status(p, app.Live, crash), p.Restarts, p.Started, crash.Ending, crash.Row}
		list = append(list, row)
		line := fmt.Sprintf("%-20s v%-5d %-28s restarts %-5d%s", row.Name, row.Release, row.Status, row.Restarts, story(crash))
		rows = append(rows, strings.TrimRight(line, " "))
	}
	if stopped, err := s.Stopped(ctx, c.App); err != nil || stopped && len(list) == 0 {
		if stopped {
			fmt.Fprintf(c.Stderr, " !     %s is stopped: ps:start %s starts it\n", c.App, c.App)
		}
		if err != nil {
			return err
		}
	}
	return c.List(string(c.App)+" processes", list, rows)
}

func status(p appliance.Process, live appliance.Generation, crash pipeline.Crash) string {
	switch {
	case crash.Well && crash.Over:
		return "ended"
	case crash.Over:
		return "crashed"
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

// story tells how a process has ended by itself, if it did.
func story(c pipeline.Crash) string {
	switch {
	case c.Row == 0:
		return ""
	case c.Row == 1:
		return c.Ending
	}
	return fmt.Sprintf("%s, %d times in a row", c.Ending, c.Row)
}

// look returns an app, what runs of it, and how that has ended before.
func (s ps) look(ctx context.Context, name appliance.AppName) (app appliance.App, processes []appliance.Process, crashes map[string]pipeline.Crash, err error) {
	if app, err = s.Store.App(ctx, name); err != nil {
		return app, nil, nil, err
	}
	if processes, err = s.Engine.Processes(ctx, name); err != nil {
		return app, nil, nil, err
	}
	crashes, err = s.Crashes(ctx, name)
	return app, processes, crashes, err
}
