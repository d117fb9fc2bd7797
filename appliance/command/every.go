package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// isOfEvery tells whether a report was asked for without an app: then it is of
// every app that the actor may work on.
func (c Command) isOfEvery(args []string) bool {
	if !c.isReport() || c.Args != "<app>" {
		return false
	}
	flags := c.flags()
	args, _ = c.takeProperty(args)
	if flags.Parse(args) != nil || flags.NArg() > 0 || c.Global && slices.Contains(args, "--global") {
		return false
	}
	_, named := c.appFlag(flags)
	return !named
}

// ofEvery runs a report for each app, through the gate. In JSON it is a list
// with an object for each.
func (s *Set) ofEvery(ctx context.Context, c Command, session *Session, args []string) error {
	if session.Actor.Name == "" {
		return fmt.Errorf("%s: %w", c.Name, appliance.ErrDenied)
	}
	apps, err := s.store.Apps(ctx)
	if err != nil {
		return err
	}
	rows, asJSON := []reportRow{}, c.asksJSON(args)
	for _, app := range apps {
		switch err := Permit(ctx, s.store, session.Actor, c.For, app.Name); {
		case errors.Is(err, appliance.ErrDenied):
			continue // it is somebody else's
		case err != nil:
			return err
		}
		var out bytes.Buffer
		one := *session
		if asJSON {
			one.Stdout = &out
		}
		if err := s.execute(ctx, &one, nil, append([]string{c.Name, string(app.Name)}, args...)); err != nil {
			return err
		}
		rows = append(rows, reportRow{App: string(app.Name), Report: c.Name, Values: bytes.TrimSpace(out.Bytes())})
	}
	if !asJSON {
		return nil
	}
	return json.NewEncoder(session.Stdout).Encode(rows)
}

// asksJSON tells whether a report was asked for as JSON, and not for the value
// of one property.
func (c Command) asksJSON(args []string) bool {
	flags := c.flags()
	args, property := c.takeProperty(args)
	if property != "" || flags.Parse(args) != nil {
		return false
	}
	format, err := flags.GetString("format")
	return err == nil && format == "json"
}
