package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

// What makes the machine's own service manager start Berth. They are in the
// binary, so that an installation from a single download has them too, and
// the ones of the right version.
var (
	//go:embed service/berth.service
	systemdUnit string
	//go:embed service/berth.init
	initScript string
)

const superviseUsage = `usage: berth supervise [options] [-- options of berth serve]

Keeps "berth serve" running on a machine without systemd.

`

// readyFD tells a supervisor which of its files to close once it has begun.
const readyFD = "BERTH_SUPERVISE_READY"

// supervise is "berth supervise": it keeps "berth serve" running until ctx is
// done, or speaks to the supervisor that does.
func supervise(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s := supervisor{grace: 150 * time.Second}
	var detached, stop, keepEngine, reload, status bool
	var print string
	fs := pflag.NewFlagSet("supervise", pflag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, superviseUsage, fs.FlagUsages()) }
	fs.StringVar(&s.pidFile, "pid-file", "/run/berth/supervise.pid", "lock it, and write the supervisor's process id to it")
	fs.StringVar(&s.logFile, "log", "", "append everything that is said to this file, and rotate it; standard error if empty")
	fs.StringVar(&s.envFile, "env-file", "/etc/berth/berth.env", "read the environment of berth serve from this file, if it is there")
	fs.BoolVar(&detached, "detach", false, "run in the background")
	fs.BoolVar(&stop, "stop", false, "stop the supervisor, and all that it has started")
	fs.BoolVar(&keepEngine, "keep-engine", false, "with --stop, leave dockerd running")
	fs.BoolVar(&reload, "reload", false, "replace berth serve by the binary and the settings of now, without losing a request; the supervisor too")
	fs.BoolVar(&status, "status", false, "say whether a supervisor runs")
	fs.StringVar(&print, "print", "", `print the systemd "unit" or the "init" script that starts Berth`)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil
		}
		return fmt.Errorf("%w command line: %w", appliance.ErrInvalid, err)
	}
	s.serveArgs = fs.Args()

	switch {
	case print == "unit":
		_, err := io.WriteString(stdout, systemdUnit)
		return err
	case print == "init":
		_, err := io.WriteString(stdout, initScript)
		return err
	case print != "":
		return fmt.Errorf("%w: print %q: there are unit and init", appliance.ErrInvalid, print)
	case stop:
		return s.stop(ctx, keepEngine)
	case reload:
		return s.reload(ctx, stdout)
	case status:
		pid, err := s.running()
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "berth is supervised by process %d\n", pid)
		return nil
	case detached:
		return detach(ctx, s, args)
	}
	return s.run(ctx)
}

// detach starts the supervisor that args describe in the background and
// returns once it has its lock.
func detach(ctx context.Context, s supervisor, args []string) error {
	if pid, err := s.running(); err == nil {
		return fmt.Errorf("berth is supervised by process %d: %w", pid, appliance.ErrExists)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := s.openLog()
	if err != nil {
		return err
	}
	defer out.Close()
	ready, begun, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()

	cmd := exec.Command(self, append([]string{"supervise"}, without(args, "--detach")...)...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), readyFD+"=3")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{begun}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	begun.Close()
	if err != nil {
		return err
	}
	// A supervisor that dies closes its end of the pipe without a word.
	if n, _ := ready.Read(make([]byte, 1)); n == 1 {
		return cmd.Process.Release()
	}
	return appliance.WithHint(
		fmt.Errorf("the supervisor has ended at once: %w", cmd.Wait()),
		"see "+filepath.Clean(s.logFile))
}

// without returns args without those before "--" that are flag.
func without(args []string, flag string) []string {
	var kept []string
	for i, a := range args {
		if a == "--" {
			return append(kept, args[i:]...)
		}
		if a != flag {
			kept = append(kept, a)
		}
	}
	return kept
}

// sayReady tells detach that the supervisor has begun.
func sayReady() {
	if os.Getenv(readyFD) == "" {
		return
	}
	os.Unsetenv(readyFD) // nobody that we start has the file
	f := os.NewFile(3, "ready")
	f.Write([]byte{'!'}) // who has gone in the meantime needs no answer
	f.Close()
}
