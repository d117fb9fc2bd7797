package command

import (
	"context"
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

// ofEvery runs a report for each app, through the gate.
func (s *Set) ofEvery(ctx context.Context, c Command, session *Session, args []string) error {
	if session.Actor.Name == "" {
		return fmt.Errorf("%s: %w", c.Name, appliance.ErrDenied)
	}
	apps, err := s.store.Apps(ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		switch err := Permit(ctx, s.store, session.Actor, c.For, app.Name); {
		case errors.Is(err, appliance.ErrDenied):
			continue // it is somebody else's
		case err != nil:
			return err
		}
		if err := s.execute(ctx, session, nil, append([]string{c.Name, string(app.Name)}, args...)); err != nil {
			return err
		}
	}
	return nil
}
