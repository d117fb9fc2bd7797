package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// A Level says whose commands are run.
type Level int

// The levels. The zero Level is the safe one. Those between Admin and Anyone
// are of keys with access to the app that is the first argument; each may do
// what the next one may, and admins may do everything.
const (
	Admin    Level = iota // what is about the machine, or can reach it
	Manager               // the app's hosts, certificates and visitors, who has access, and its end
	Deployer              // what runs and with which config; this sees secrets
	Viewer                // how it is, without secrets
	Anyone                // of every key that the gateway knows
)

// least returns the access to an app that commands of a level ask for.
func (l Level) least() appliance.Access {
	switch l {
	case Manager:
		return appliance.AdminAccess
	case Deployer:
		return appliance.DeployAccess
	case Viewer:
		return appliance.ViewAccess
	case Anyone:
		return appliance.NoAccess
	default:
		return appliance.AdminAccess + 1 // which no grant gives
	}
}

// Permit returns nil if the actor may do with app, be it there or not, what
// commands of a level do, and ErrDenied otherwise.
func Permit(ctx context.Context, store *db.Store, actor appliance.Actor, level Level, app appliance.AppName) error {
	if actor.Name == "" {
		return appliance.ErrDenied
	}
	if actor.Admin {
		return nil
	}
	has, err := store.AccessTo(ctx, app, actor.Name)
	if err != nil {
		return err
	}
	switch need := level.least(); {
	case has >= need && app != "":
		return nil
	case app == "" || need > appliance.AdminAccess:
		return appliance.ErrDenied
	default:
		// The same for an app that is there and for one that is not.
		return appliance.WithHint(appliance.ErrDenied, fmt.Sprintf("an admin can let you in: access:grant %s %s %s", app, actor.Name, need))
	}
}

// seesSecrets tells whether whoever asks may see what could be secret of the
// app that the call is about. Somebody who only views it may not.
func seesSecrets(ctx context.Context, store *db.Store, c *Call) (bool, error) {
	err := Permit(ctx, store, c.Actor, Deployer, c.App)
	if errors.Is(err, appliance.ErrDenied) {
		return false, nil
	}
	return err == nil, err
}

// Visible returns the apps that the actor may see.
func Visible(ctx context.Context, store *db.Store, actor appliance.Actor) ([]appliance.App, error) {
	all, err := store.Apps(ctx)
	if err != nil || actor.Admin {
		return all, err
	}
	access, err := store.Accesses(ctx, actor.Name)
	if err != nil {
		return nil, err
	}
	var list []appliance.App
	for _, app := range all {
		if access[app.Name] >= Viewer.least() {
			list = append(list, app)
		}
	}
	return list, nil
}
