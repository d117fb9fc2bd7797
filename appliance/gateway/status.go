package gateway

import (
	"errors"
	"io"

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
	command.ShowError(w, err)
}
