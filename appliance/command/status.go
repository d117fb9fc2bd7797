package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

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

	ExitInterrupted = 130 // as of what a shell ends with Ctrl-C
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
	case errors.Is(err, ErrInterrupted):
		return ExitInterrupted
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

// ShowError prints an error as people are shown it: what failed, then what to
// do.
func ShowError(w io.Writer, err error) {
	if _, ok := errors.AsType[ExitError](err); ok || err == nil {
		return // who has ended so has said why
	}
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = "cancelled"
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(w, " !     %s\n", strings.TrimRight(line, "\n"))
	}
	for line := range strings.Lines(appliance.HintOf(err)) {
		fmt.Fprintf(w, "       %s\n", strings.TrimRight(line, "\n"))
	}
}
