package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The daemon can be replaced while it serves: by a newer one, or by itself
// with another configuration. It starts its own successor, and the two speak
// over a pair of sockets that nobody else has:
//
//	old                                   new
//	doors: the listening sockets    →
//	                                ←     ready: I have what I need to listen
//	(lets pushes and commands finish, closes the store)
//	inside: the store is yours      →
//	                                      (opens it, makes all routes)
//	                                ←     serving: I accept
//	(stops reading UDP)
//	last: what I know of UDP        →
//	(finishes the requests it has)
//	end of file                     →     nothing is under way in the old one
//
// Both hold the same listening sockets, so no visitor finds a closed port, and
// one of the two accepts at every moment. There is one writer of the store at
// every moment, too: who has the directory's lock. The old one is a door
// without an inside while the new one moves in: it answers with the routes and
// the certificates that it has in memory. If the line breaks before "serving",
// for whatever reason, it takes the store back as it was, and goes on.
//
// The alternatives: a proxy that stays while the rest is replaced could not be
// upgraded itself; SO_REUSEPORT loses what waits in the queue of the socket
// that is closed; and a service manager that keeps the sockets between stop
// and start, which we use too (see notify), lets visitors wait meanwhile.
const handoverFD = "BERTH_HANDOVER"

// How long each side waits for the other.
const (
	readyTime   = 30 * time.Second // to start a program
	servingTime = 5 * time.Minute  // a migration may take long, and the old one serves meanwhile
)

// The kinds of message.
const (
	kindDoors   = "doors"
	kindReady   = "ready"
	kindInside  = "inside"
	kindServing = "serving"
	kindLast    = "last"
	kindFailed  = "failed"
)

// A message is what the two say to each other. A successor may be of another
// version: fields are only ever added.
type message struct {
	Kind    string
	Names   []string `json:",omitempty"` // of the files that come with it
	Version string   `json:",omitempty"`
	Error   string   `json:",omitempty"` // why it failed
	UDP     bool     `json:",omitempty"` // whether it wants to read UDP
	Tags    [][]byte `json:",omitempty"` // of the QUIC connections that stay with the old one
}

// A line is one end of the pair of sockets.
type line struct{ *net.UnixConn }

// newLine returns both ends: ours, and the one for the successor.
func newLine() (ours line, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return line{}, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "line")
	ours, err = lineOf(os.NewFile(uintptr(fds[0]), "line"))
	return ours, theirs, err
}

// lineOf makes a line of a file, which it closes.
func lineOf(f *os.File) (line, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return line{}, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return line{}, fmt.Errorf("a line of %T", c)
	}
	return line{conn}, nil
}

func (l line) send(m message, files ...*os.File) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return sendFiles(l.UnixConn, text, files)
}

// receive waits for a message of one kind. The end of the line, and a "failed"
// of the other side, are errors.
func (l line) receive(ctx context.Context, kind string) (m message, files []*os.File, err error) {
	stop := context.AfterFunc(ctx, func() { l.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	text, files, _, err := receiveFiles(l.UnixConn)
	switch {
	case ctx.Err() != nil:
		return m, files, context.Cause(ctx)
	case err != nil:
		return m, files, err
	case len(text) == 0:
		return m, files, io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, files, fmt.Errorf("handover: %w", err)
	}
	if m.Kind == kindFailed {
		return m, files, errors.New(m.Error)
	}
	if m.Kind != kind || len(files) != len(m.Names) {
		closeFiles(files)
		return m, nil, fmt.Errorf("handover: %q with %d files came where %q was due", m.Kind, len(files), kind)
	}
	return m, files, nil
}

// maxMessage and maxFiles are more than any message has.
const (
	maxMessage = 64 << 10
	maxFiles   = 64
)

// sendFiles sends a datagram with files attached. It never asks a file for its
// Fd, which would make a socket that others accept from a blocking one.
func sendFiles(c *net.UnixConn, text []byte, files []*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			raw, err := f.SyscallConn()
			if err != nil {
				return err
			}
			if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
				return err
			}
		}
		rights = unix.UnixRights(fds...)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	// Not WriteMsgUnix, which refuses to write to a socket that is connected.
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		_, sent = unix.SendmsgN(int(fd), text, rights, nil, unix.MSG_NOSIGNAL)
		return !errors.Is(sent, unix.EAGAIN)
	})
	return errors.Join(err, sent)
}

// receiveFiles receives a datagram, the files attached to it, and, on a socket
// with SO_PASSCRED, who has sent it.
func receiveFiles(c *net.UnixConn) (text []byte, files []*os.File, from *unix.Ucred, err error) {
	text, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(maxFiles*4)+unix.CmsgSpace(unix.SizeofUcred))
	n, oobn, _, _, err := c.ReadMsgUnix(text, oob) // closes on exec
	if err != nil {
		return nil, nil, nil, err
	}
	parts, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, nil, nil, err
	}
	for _, part := range parts {
		if cred, err := unix.ParseUnixCredentials(&part); err == nil {
			from = cred
			continue
		}
		fds, err := unix.ParseUnixRights(&part)
		if err != nil {
			continue // something that we have not asked for
		}
		for _, fd := range fds {
			files = append(files, keepFile(fd))
		}
	}
	return text[:n], files, from, nil
}

// keepFile makes a file of a descriptor that others may have too. As it does
// not block when the file is made, Fd does not make it block.
func keepFile(fd int) *os.File {
	// An error means that it is no open descriptor: whoever uses it will see.
	_ = syscall.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "door")
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
