package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// Exit statuses, the same for every command and door. docs/exit-codes.md
// explains them.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
	exitDenied   = 4
	exitNoApp    = 20 // as in Dokku
)

// exitStatus tells scripts apart what people read.
func exitStatus(err error) int {
	if quiet, ok := errors.AsType[*quietError](err); ok {
		return quiet.status
	}
	_, dokku := errors.AsType[command.DokkuError](err)
	_, noApp := errors.AsType[*appliance.NoAppError](err)
	switch {
	case err == nil:
		return 0
	case noApp:
		return exitNoApp
	case dokku, errors.Is(err, command.ErrNoApp):
		return exitFailed
	case errors.Is(err, command.ErrUsage):
		return exitUsage
	case errors.Is(err, appliance.ErrNotFound):
		return exitNotFound
	case errors.Is(err, appliance.ErrDenied):
		return exitDenied
	default:
		return exitFailed
	}
}

// show prints an error as people are shown it: what failed, then what to do.
func show(w io.Writer, err error) {
	if _, ok := errors.AsType[*quietError](err); ok {
		return
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
