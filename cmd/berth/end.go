package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/berthhq/berth/appliance"
)

// end is what a service manager calls to stop the daemon, in whose environment
// MAINPID is the process. It returns when that has ended.
//
// systemd waits only for a main process that it has started itself, or that it
// has inherited. One that has taken another's place is neither at first, and
// would be killed at once, with all that it has under way: see
// unit_kill_context, and main_pid_alien, of systemd.
func end(ctx context.Context, mainPID string) error {
	if mainPID == "" {
		return nil // it has ended by itself
	}
	pid, err := strconv.Atoi(mainPID)
	if err != nil || pid <= 1 {
		return appliance.WithHint(fmt.Errorf("%w MAINPID: %q is no process", appliance.ErrInvalid, mainPID), "this is for the service manager: systemctl stop berth")
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	err = process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return errors.Join(err, gone(ctx, process))
}
