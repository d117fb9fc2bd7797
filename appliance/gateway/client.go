package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/user"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// Call runs one command on the appliance that listens on socket, and returns
// its exit status. The local command line and git's hook are calls of it.
func Call(ctx context.Context, socket string, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return command.ExitFailed, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	// The socket's file mode is what guards this connection.
	c, chans, reqs, err := gossh.NewClientConn(conn, socket, &gossh.ClientConfig{
		User: localUser(), HostKeyCallback: gossh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return command.ExitFailed, err
	}
	session, err := gossh.NewClient(c, chans, reqs).NewSession()
	if err != nil {
		return command.ExitFailed, err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return command.ExitFailed, err
	}
	session.Stdout, session.Stderr = stdout, stderr
	leave, err := sitDown(ctx, session, args, stdin, stdout)
	if err != nil {
		return command.ExitFailed, err
	}
	defer leave()
	line := quote(args)
	if len(line) > maxLine {
		show(stderr, appliance.WithHint(fmt.Errorf("the command line is longer than %d bytes", maxLine),
			"give large values on stdin: config:import <app> < .env, or config:set <app> <key> < file"))
		return command.ExitFailed, nil
	}
	if err := session.Start(line); err != nil {
		return command.ExitFailed, err
	}
	go func() {
		// Not session.Stdin: Wait would wait for the person to type on.
		if stdin != nil {
			io.Copy(in, stdin)
		}
		in.Close()
	}()
	err = session.Wait()
	if exit, ok := errors.AsType[*gossh.ExitError](err); ok {
		return exit.ExitStatus(), nil
	}
	if err != nil {
		return command.ExitFailed, err
	}
	return 0, nil
}

// maxLine is how long a command line may be, in bytes: SSH sends it in one
// packet, which is at most 256 KB.
const maxLine = 250 << 10

func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "local"
}

// quote makes the one string that SSH sends of args.
func quote(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}
