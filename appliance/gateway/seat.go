package gateway

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/berthhq/berth/appliance/command"
)

// sitDown gives a session the terminal that stdin is, if it is one, and so is
// stdout where the command takes the screen: what is typed goes there as it is,
// and so does the size whenever it changes. What it returns gives the terminal
// back as it was.
func sitDown(ctx context.Context, session *gossh.Session, args []string, stdin io.Reader, stdout io.Writer) (leave func(), err error) {
	screen, asks := command.TakesTerminal(args), command.AsksSecret(args)
	in, isFile := stdin.(*os.File)
	out, alsoFile := stdout.(*os.File)
	if !screen && !asks || !isFile || !term.IsTerminal(int(in.Fd())) || screen && (!alsoFile || !term.IsTerminal(int(out.Fd()))) {
		return func() {}, nil
	}
	columns, rows, err := term.GetSize(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("size of the terminal: %w", err)
	}
	if err := session.RequestPty(cmp.Or(os.Getenv("TERM"), "xterm"), rows, columns, gossh.TerminalModes{}); err != nil {
		return nil, err
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("take the terminal over: %w", err)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-resized:
			}
			if columns, rows, err := term.GetSize(int(in.Fd())); err == nil {
				_ = session.WindowChange(rows, columns) // the session may have ended
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		signal.Stop(resized)
		_ = term.Restore(int(in.Fd()), before) // there is nobody to tell
	}, nil
}
