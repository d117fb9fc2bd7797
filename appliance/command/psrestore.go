package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

// undeployed tells of an app that nothing was deployed of that there is nothing
// to start.
func (s ps) undeployed(_ context.Context, app appliance.App) (string, error) {
	if app.LiveRelease == 0 {
		return "it has not been deployed", nil
	}
	return "", nil
}

// idle tells of an app of which nothing is to run why that is so.
func (s ps) idle(ctx context.Context, app appliance.App) (string, error) {
	if why, err := s.undeployed(ctx, app); why != "" || err != nil {
		return why, err
	}
	stopped, err := s.Stopped(ctx, app.Name)
	if stopped {
		return "it is stopped", err
	}
	return "", err
}

func (s ps) rebuild(ctx context.Context, c *Call) error {
	if err := s.deployed(ctx, c.App); err != nil {
		return err
	}
	return s.Rebuild(ctx, c.App, 0, c.Stdout)
}

// restore starts what should run: what is gone, and what was given up because
// it crashed. One that somebody has stopped stays so.
func (s ps) restore(ctx context.Context, c *Call) error {
	if err := s.deployed(ctx, c.App); err != nil {
		return err
	}
	stopped, err := s.Stopped(ctx, c.App)
	if err != nil {
		return err
	}
	if stopped {
		fmt.Fprintf(c.Stderr, " !     %s is stopped: ps:start %s starts it\n", c.App, c.App)
		return nil
	}
	fmt.Fprintf(c.Stdout, "-----> Restoring %s\n", c.App)
	if err := s.Restore(ctx, c.App); err != nil {
		return err
	}
	app, processes, crashes, err := s.look(ctx, c.App)
	if err != nil {
		return err
	}
	for _, p := range processes {
		if crash := crashes[p.ID]; p.Generation == app.Live && crash.Over && !crash.Well {
			return s.Restart(ctx, c.App, c.Stdout)
		}
	}
	return nil
}

// inspect prints what docker inspect does, but for values, which may be
// secrets.
func (s ps) inspect(ctx context.Context, c *Call) error {
	processes, err := s.Engine.Processes(ctx, c.App)
	if err != nil {
		return err
	}
	list := []json.RawMessage{}
	for _, p := range processes {
		details, err := s.Engine.Details(ctx, p.ID)
		if err != nil {
			return err
		}
		list = append(list, details)
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "    "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = c.Stdout.Write(out.Bytes())
	return err
}
