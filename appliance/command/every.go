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
	var names []appliance.AppName
	for _, app := range apps {
		switch err := Permit(ctx, s.store, session.Actor, c.For, app.Name); {
		case errors.Is(err, appliance.ErrDenied):
			continue // it is somebody else's
		case err != nil:
			return err
		}
		names = append(names, app.Name)
	}
	run := func(ctx context.Context, app appliance.AppName, session *Session) error {
		return s.execute(ctx, session, nil, append([]string{c.Name, string(app)}, args...))
	}
	if !c.asksJSON(args) {
		return inTurn(ctx, names, session, run)
	}
	var out bytes.Buffer
	each := *session
	each.Stdout = &out
	if err := inTurn(ctx, names, &each, run); err != nil {
		return err
	}
	rows := []reportRow{}
	for values := json.NewDecoder(&out); len(rows) < len(names); {
		row := reportRow{App: string(names[len(rows)]), Report: c.Name}
		if err := values.Decode(&row.Values); err != nil {
			return err
		}
		rows = append(rows, row)
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
