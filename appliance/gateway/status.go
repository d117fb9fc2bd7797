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

// exitStatus tells scripts apart what people read.
func exitStatus(err error) int {
	if quiet, ok := errors.AsType[*quietError](err); ok {
		return quiet.status
	}
	return command.ExitStatus(err)
}

// show prints an error as people are shown it: what failed, then what to do.
func show(w io.Writer, err error) {
	if _, ok := errors.AsType[*quietError](err); ok {
		return
	}
	if _, ok := errors.AsType[command.ExitError](err); ok {
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
