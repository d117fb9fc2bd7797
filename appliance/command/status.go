package command

import (
	"errors"

	"github.com/berthhq/berth/appliance"
)

// Exit statuses, the same for every command and door. docs/exit-codes.md
// explains them.
const (
	ExitFailed   = 1
	ExitUsage    = 2
	ExitNotFound = 3
	ExitDenied   = 4
	ExitNoApp    = 20 // as in Dokku
)

// ExitStatus returns what a command that ended with err exits with.
func ExitStatus(err error) int {
	if exit, ok := errors.AsType[ExitError](err); ok {
		return int(exit)
	}
	_, dokku := errors.AsType[DokkuError](err)
	_, noApp := errors.AsType[*appliance.NoAppError](err)
	switch {
	case err == nil:
		return 0
	case noApp:
		return ExitNoApp
	case dokku, errors.Is(err, ErrNoApp):
		return ExitFailed
	case errors.Is(err, ErrUsage):
		return ExitUsage
	case errors.Is(err, appliance.ErrNotFound):
		return ExitNotFound
	case errors.Is(err, appliance.ErrDenied):
		return ExitDenied
	default:
		return ExitFailed
	}
}
