package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/appliance"
)

// controlName is the socket, in the daemon's own directory, at which it takes
// requests that its commands cannot have: the daemon that would answer them is
// not there any more when they are done.
const controlName = "handover.sock"

// A request asks the daemon for something.
type request struct {
	Do  string   // one of the following
	Env []string `json:",omitempty"` // for the successor

	answer func(answer) // set by the daemon
}

const (
	doReload = "reload" // start a successor
	doKeep   = "keep"   // give the doors to the service manager again
)

// An answer comes a line at a time. The last one is Done.
type answer struct {
	Say   string `json:",omitempty"`
	Done  bool   `json:",omitempty"`
	Error string `json:",omitempty"`
	PID   int    `json:",omitempty"` // of the process that serves now
}

// listenControl takes requests until the listener that it returns is closed.
func listenControl(path string, requests chan<- request, quit <-chan struct{}) (io.Closer, error) {
	ln, err := listenLocal(path)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := ln.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go serveControl(c, requests, quit)
			}
		}
	}()
	return ln, nil
}

func serveControl(c *net.UnixConn, requests chan<- request, quit <-chan struct{}) {
	out := json.NewEncoder(c)
	end := func() { c.Close() }
	if err := sameUser(c); err != nil {
		defer end()
		_ = out.Encode(answer{Done: true, Error: err.Error()}) // who has gone needs no answer
		return
	}
	var r request
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if err := json.NewDecoder(io.LimitReader(c, 1<<20)).Decode(&r); err != nil {
		end()
		return
	}
	r.answer = func(a answer) {
		_ = out.Encode(a) // as above
		if a.Done {
			end()
		}
	}
	select {
	case requests <- r:
	case <-quit:
		r.answer(answer{Done: true, Error: "it is about to end"})
	}
}

// sameUser lets in root, and whoever we run as. The socket's mode does so
// already; this is for a directory whose modes somebody has changed.
func sameUser(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var who *unix.Ucred
	err = errors.Join(raw.Control(func(fd uintptr) {
		who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}), err)
	if err != nil {
		return err
	}
	if who.Uid != 0 && int(who.Uid) != os.Geteuid() {
		return fmt.Errorf("user %d may not: %w", who.Uid, appliance.ErrDenied)
	}
	return nil
}

// errNoDaemon says that there is nobody to ask.
var errNoDaemon = errors.New("no berth serves here")

// ask has the daemon that serves a directory do something, and returns the
// process that serves it then. What the daemon says meanwhile goes to out.
func ask(ctx context.Context, dir string, r request, out io.Writer) (pid int, err error) {
	path := config{dir: dir}.path(controlName)
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return 0, fmt.Errorf("%w: %w", errNoDaemon, err)
	}
	if err != nil {
		return 0, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if err := json.NewEncoder(c).Encode(r); err != nil {
		return 0, err
	}
	for in := json.NewDecoder(c); ; {
		var a answer
		switch err := in.Decode(&a); {
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case err != nil:
			return 0, fmt.Errorf("the daemon has ended without an answer: %w", err)
		case a.Error != "":
			return a.PID, errors.New(a.Error)
		case a.Done:
			return a.PID, nil
		}
		fmt.Fprintln(out, a.Say)
	}
}

// reload replaces the daemon that serves by the binary that is in its place
// now, without losing a request, and returns when the new one serves. If the
// new one cannot, the old one goes on, and the error says why. The new one has
// the settings of env (BERTH_…=…), or those of the old one if env is nil.
//
// Whoever installs another binary calls this, and puts the old one back if it
// fails.
func reload(ctx context.Context, cfg config, env []string, out io.Writer) error {
	fmt.Fprintln(out, "-----> Replacing the daemon that serves")
	pid, err := ask(ctx, cfg.dir, request{Do: doReload, Env: env}, out)
	if errors.Is(err, errNoDaemon) {
		return appliance.WithHint(err, "start it: systemctl start berth, or: berth supervise --detach --log /var/log/berth.log")
	}
	if err != nil {
		return appliance.WithHint(err, "the one that served goes on serving")
	}
	fmt.Fprintf(out, "       process %d serves\n", pid)
	return nil
}
