// Command berth is the appliance. "berth serve" is all of its servers; a few
// other words are programs of their own; anything else is a command for the
// berth that is serving on this machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	_ "time/tzdata" // cron's time zones, whatever the machine has

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/gateway"
	"github.com/berthhq/berth/appliance/static"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	args, err := calledAs(filepath.Base(os.Args[0]), os.Args[1:], os.Getenv)
	if err != nil {
		os.Exit(failed(os.Stderr, err))
	}
	os.Exit(run(ctx, args, os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cfg, args, err := parseConfig(args, os.Getenv)
	if err != nil {
		fmt.Fprintf(stderr, " !     %v\n", err)
		return 2
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "serve":
		err = serve(ctx, cfg)
	case "reload":
		err = reload(ctx, cfg, os.Environ(), stdout)
	case "end":
		err = end(ctx, os.Getenv("MAINPID"))
	case "supervise":
		err = supervise(ctx, args[1:], stdout, stderr)
	case "static-serve":
		err = static.Main(ctx, args[1:])
	case "version", "--version":
		fmt.Fprintln(stdout, "berth", version)
	default:
		return call(ctx, cfg, args, stdin, stdout, stderr)
	}
	if err != nil {
		return failed(stderr, err)
	}
	return 0
}

// failed says what is wrong, and returns the exit status for it.
func failed(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, " !     %v\n", err)
	for line := range strings.Lines(appliance.HintOf(err)) {
		fmt.Fprintf(stderr, "       %s\n", strings.TrimRight(line, "\n"))
	}
	if errors.Is(err, appliance.ErrInvalid) {
		return 2
	}
	return 1
}

// call runs a command on the appliance of this machine.
func call(ctx context.Context, cfg config, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	args, file, err := keyFile(args)
	if err != nil {
		return failed(stderr, err)
	}
	if file != nil {
		defer file.Close()
		stdin = file
	}
	status, err := gateway.Call(ctx, cfg.socket, args, stdin, stdout, stderr)
	if err == nil {
		return status
	}
	if ctx.Err() != nil { // Ctrl-C, mostly
		return command.ExitInterrupted
	}
	fmt.Fprintf(stderr, " !     berth is not reached at %s: %v\n", cfg.socket, err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		fmt.Fprintln(stderr, "       only root may: try again with sudo")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		fmt.Fprintln(stderr, "       is it running? systemctl status berth, or: berth supervise --status")
	}
	return status
}
