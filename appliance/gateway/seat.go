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
)

// sitDown gives a session the terminal that stdin and stdout are, if they are
// one: what is typed goes there as it is, and so does the size whenever it
// changes. What it returns gives the terminal back as it was.
func sitDown(ctx context.Context, session *gossh.Session, stdin io.Reader, stdout io.Writer) (leave func(), err error) {
	in, isFile := stdin.(*os.File)
	out, alsoFile := stdout.(*os.File)
	if !isFile || !alsoFile || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return func() {}, nil
	}
	columns, rows, err := term.GetSize(int(out.Fd()))
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
			if columns, rows, err := term.GetSize(int(out.Fd())); err == nil {
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
