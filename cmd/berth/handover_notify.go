package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// A notifier speaks to the service manager that has started us: systemd, or
// our own supervisor, in the way of systemd's sd_notify. What it is given to
// keep it keeps while no process of ours runs, however the last one has ended:
// visitors who come in such a moment wait in the queue of the socket, and are
// not turned away.
//
// The zero notifier speaks to nobody.
type notifier struct{ socket string }

// newNotifier takes the manager's address out of the environment: what we
// start is none of its business.
func newNotifier(getenv func(string) string) notifier {
	n := notifier{getenv("NOTIFY_SOCKET")}
	os.Unsetenv("NOTIFY_SOCKET")
	return n
}

// say tells the manager something, as in "READY=1".
func (n notifier) say(state string, files ...*os.File) error {
	if n.socket == "" {
		return nil
	}
	name := n.socket
	if name[0] == '@' {
		name = "\x00" + name[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer c.Close()
	if err := sendFiles(c, []byte(state), files); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// keep gives the manager doors to keep. One takes the place of the one that
// had its name.
func (n notifier) keep(d *doors, names ...string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, n.say("FDSTOREREMOVE=1\nFDNAME="+name), n.say("FDSTORE=1\nFDNAME="+name, d.files[name]))
	}
	return errors.Join(errs...)
}

// assignments reads what a notifier has said.
func assignments(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			m[key] = value
		}
	}
	return m
}
