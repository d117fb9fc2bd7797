// Package static serves a directory of files over HTTP, for apps that are
// nothing else.
package static

import (
	"context"
	"errors"
)

// Main is the command "berth static-serve [--root DIR]": it serves until ctx
// is done.
func Main(ctx context.Context, args []string) error { return errors.New("not yet") }
